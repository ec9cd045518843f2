"""One prior a file."""
