"""JSON schemas of the endpoints' inputs, where Gradio's own would keep MCP clients from calling them.

Gradio's schema of a JSON input is not valid, so a client refuses the whole tool; that of a number does not allow null.
"""

import gradio as gr

OBJECT = {"type": "object", "additionalProperties": {}}
LIST = {"type": "array", "items": OBJECT}
NUMBER = {"type": "number"}


def optional(component: gr.components.Component, schema: dict):
    """Let an input of an endpoint be null, or what `schema` says. Returns the component."""
    component.api_info = lambda: {"anyOf": [schema, {"type": "null"}]}
    return component
