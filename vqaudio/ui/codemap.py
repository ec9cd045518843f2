"""The codemap: one component that draws codes of any shape, plays them, and lets a person touch them.

Python gives it a value (`served.describe`) and a few functions of the server; all else happens in the page. Its files lie
beside this one and are joined in the order of their numbers, with no build step.
"""

from pathlib import Path
from typing import Any

import gradio as gr

_HERE = Path(__file__).parent


def files(pattern: str) -> str:
    """The files of this folder that match, joined in the order of their numbers."""
    return "\n".join(path.read_text() for path in sorted(_HERE.glob(pattern), key=lambda path: (_place(path), path.name)))


def _place(path: Path) -> int:
    """ "codemap.12-draw.js" -> 12; a file without a number comes first: 0 """
    number = path.name.split(".")[1].split("-")[0]
    return int(number) if number.isdigit() else 0


def beside(name: str, borrowed: tuple[str, ...]) -> dict[str, Any]:
    """How a component of the files NAME.* is built that draws with parts of the codemap's script: settings of gr.HTML."""
    return {
        "html_template": files(f"{name}.html"),
        "css_template": files("codemap*.css") + files(f"{name}.css"),
        "js_on_load": "\n".join([*(files(f"codemap.{part}.js") for part in borrowed), files(f"{name}.*.js")]),
        "apply_default_css": False,
    }


class CodeMap(gr.HTML):
    """A codemap. Emits `pick_cell` with {row, column} when a person chooses a cell."""

    def __init__(self, value: dict | None = None, **settings: Any):
        super().__init__(
            value=value,
            html_template=files("codemap.html"),
            css_template=files("codemap*.css"),
            js_on_load=files("codemap.*.js"),
            apply_default_css=False,
            **settings,
        )

    def api_info(self) -> dict[str, Any]:
        return {"type": "object", "description": "A clip's codes, as the page draws them."}
