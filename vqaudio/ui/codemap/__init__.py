"""The code map: one component that draws codes of any shape, plays them, and lets a person edit them.

Python gives it a value (`describe`, in the clip's handlers) and a few server functions; all else happens in the page.
"""

from pathlib import Path
from typing import Any

import gradio as gr

from vqaudio.ui.shared import component_settings


class CodeMap(gr.HTML):
    """A code map. Emits `opened` with {token, model} for each clip, `pick_cell` with {row, column} for a chosen cell."""

    def __init__(self, value: dict | None = None, **settings: Any):
        super().__init__(value=value, **component_settings(Path(__file__).parent, ("pick_cell", "opened")), **settings)

    def api_info(self) -> dict[str, Any]:
        return {"type": "object", "description": "A clip's codes, as the page draws them."}
