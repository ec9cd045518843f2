"""The keyboard: two octaves of keys whose notes a prior generates."""

from pathlib import Path
from typing import Any

import gradio as gr

from vqaudio.ui import turns
from vqaudio.ui.keyboard.handlers import FUNCTIONS
from vqaudio.ui.shared import component_settings


class Keyboard(gr.HTML):
    """Two octaves of keys.

    Emits `open_note` with {prior, labels, key, seconds, take} when a person opens a note in the code map.
    """

    def __init__(self, **settings: Any):
        files = component_settings(Path(__file__).parent, ("open_note",))
        super().__init__(value=None, server_functions=turns.for_page(FUNCTIONS), **files, **settings)

    def api_info(self) -> dict[str, Any]:
        return {"type": "object", "description": "Nothing: the keyboard fetches what it plays."}
