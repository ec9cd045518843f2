"""The registry of codecs: one codec a file."""
