"""The codemap: one component that draws codes of any shape, plays them, and lets a person touch them.

Python gives it a value (`served.describe`) and a few functions of the server; all else happens in the page. Its files lie
beside this one and are joined in the order of their numbers, with no build step.
"""

from pathlib import Path
from typing import Any

import gradio as gr

_HERE = Path(__file__).parent


def _place(path: Path) -> int:
    """ "codemap.12-draw.js" -> 12 """
    return int(path.name.split(".")[1].split("-")[0])


class CodeMap(gr.HTML):
    """A codemap. Emits `pick_cell` with {row, column} when a person chooses a cell."""

    def __init__(self, value: dict | None = None, **settings: Any):
        super().__init__(
            value=value,
            html_template=(_HERE / "codemap.html").read_text(),
            css_template="\n".join(path.read_text() for path in sorted(_HERE.glob("codemap*.css"))),
            js_on_load="\n".join(path.read_text() for path in sorted(_HERE.glob("codemap.*.js"), key=_place)),
            apply_default_css=False,
            **settings,
        )

    def api_info(self) -> dict[str, Any]:
        return {"type": "object", "description": "A clip's codes, as the page draws them."}
