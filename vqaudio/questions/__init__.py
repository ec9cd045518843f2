"""Models that answer questions about a sound or a picture, and the scenes and questions that they learn from."""
