"""One dataset per file: `load_split`, and often `sources` or `download`."""
