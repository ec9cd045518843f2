"""One dataset per file: `load_split`, and `sources` or `download` where it has them."""
