"""The Compare view: one clip at two bit rates or by two models, and a blind test."""

from pathlib import Path
from typing import Any

import gradio as gr

from vqaudio.ui import turns
from vqaudio.ui.compare.pair import FUNCTIONS, open_pair, store
from vqaudio.ui.shared import component_settings


class Compare(gr.HTML):
    """Two sides of one clip; its value is the result of `Pair.describe`."""

    def __init__(self, value: dict | None = None, **settings: Any):
        files = component_settings(Path(__file__).parent)
        super().__init__(value=value, server_functions=turns.for_page(FUNCTIONS), **files, **settings)

    def api_info(self) -> dict[str, Any]:
        return {"type": "object", "description": "A clip to compare, as the page draws it."}


def view(sound: gr.components.Component, trim: gr.components.Component, picker: gr.components.Component) -> None:
    """Add the Compare tab.

    Args:
        sound: holds the path of the open recording.
        trim: holds whether silence is cut from its ends.
        picker: holds the name of the open clip's model.
    """
    with gr.Tab("Compare") as tab:
        component = Compare(elem_id="compare")
        token = gr.State(None, time_to_live=3600, delete_callback=store.drop)
        tab.select(
            turns.event(open_pair), [sound, trim, picker, token], [component, token], api_visibility="private",
            show_progress="hidden",
        )
