"""The app: Gradio blocks around one component of our own, the codemap. Nothing outside this folder imports Gradio."""
