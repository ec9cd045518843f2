"""Code that the page's components share, and how it reaches the browser.

A component is a folder: its class here in Python, one .html file, .css files, and ES modules of which `main.js` exports
`start`. There is no build step. Browsers keep modules for days, and a module imports others by their bare names, so each
process serves a copy of all modules from a folder named by their content: after an upgrade every address is a new one.
"""

import functools
import hashlib
import json
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import gradio as gr

UI = Path(__file__).parent.parent
SHARED = Path(__file__).parent
LOADER = SHARED / "loader.js"  # runs inside Gradio: the only script that is not a module


def component_settings(folder: Path, events: tuple[str, ...] = ()) -> dict[str, Any]:
    """Settings of `gr.HTML` for the component in a folder.

    Args:
        events: that its script triggers; Gradio offers a listener for each one that is named in the script.
    """
    (html,) = folder.glob("*.html")
    styles = [*sorted(SHARED.glob("*.css")), *sorted(folder.glob("*.css"))]
    return {
        "html_template": html.read_text(),
        "css_template": "\n".join(style.read_text() for style in styles),
        "js_on_load": _script(folder, events),
        "apply_default_css": False,
    }


def _script(folder: Path, events: tuple[str, ...]) -> str:
    served, names = published_modules(UI)
    load = {
        "folder": quote(served.as_posix()),
        "modules": [name for name in names if PurePosixPath(name).parent.name in (folder.name, SHARED.name)],
        "main": f"{folder.name}/main.js",
        "events": events,
    }
    return f"const load = {json.dumps(load)};\n{LOADER.read_text()}"


@functools.cache
def published_modules(ui: Path) -> tuple[Path, list[str]]:
    """Copy the modules of all components into a folder that Gradio serves.

    Returns:
        The folder, whose name is a hash of what is in it, and the modules' names in it, such as "codemap/main.js".
    """
    paths = [path for path in sorted(ui.glob("*/*.js")) if path.name != LOADER.name]
    modules = {path.relative_to(ui).as_posix(): path.read_bytes() for path in paths}
    content = hashlib.sha256(b"".join(b"%s\0%d\0%s" % (name.encode(), len(text), text) for name, text in modules.items()))
    folder = Path(_temporary_folder().name).resolve() / content.hexdigest()[:16]
    for name, text in modules.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)
    gr.set_static_paths([folder])
    return folder, list(modules)


@functools.cache
def _temporary_folder() -> tempfile.TemporaryDirectory:
    """A folder that is removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="vqaudio-page-")
