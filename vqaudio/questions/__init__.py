"""Models that answer questions about a sound or a picture."""
