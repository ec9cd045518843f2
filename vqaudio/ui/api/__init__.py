"""Endpoints for programs, each with a name and a docstring that Gradio publishes."""
