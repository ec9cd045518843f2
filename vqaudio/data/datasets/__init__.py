"""One dataset a file: `load_split`, and `sources` or `download` where it has them."""
