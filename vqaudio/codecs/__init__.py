"""One codec a file."""
