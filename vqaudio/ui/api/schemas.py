"""JSON schemas of endpoint inputs, for MCP clients.

They replace two of Gradio's: its schema of a JSON input is invalid, so clients refuse the whole tool; that of a number does not
allow null.
"""

import gradio as gr

OBJECT = {"type": "object", "additionalProperties": {}}
LIST = {"type": "array", "items": OBJECT}
NUMBER = {"type": "number"}


def optional(component: gr.components.Component, schema: dict):
    """Let an endpoint's input be null or match `schema`; returns the component."""
    component.api_info = lambda: {"anyOf": [schema, {"type": "null"}]}
    return component
