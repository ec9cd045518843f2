"""The clips that a person can press: those that suit the chosen codec, as its about.json names them ("examples": a folder).

A folder of assets/examples holds sounds and an examples.json: {"credit": a line, "clips": {file: what it is called}}.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from gradio import FileData
from gradio.processing_utils import save_file_to_cache

from vqaudio.ui import models

FOLDER = Path(__file__).resolve().parents[3] / "assets" / "examples"
USUAL = "."  # of a codec that names none: the folder itself


@dataclass(frozen=True)
class Clips:
    """A folder's clips: paths with what they are called, and whom to thank."""

    credit: str
    clips: dict[Path, str]


def clips_in(folder: Path) -> Clips | None:
    """What a folder's examples.json names and is there; None where that is nothing."""
    try:
        told = json.loads((folder / "examples.json").read_text())
        found = {folder / name: str(label) for name, label in told["clips"].items() if (folder / name).is_file()}
        return Clips(str(told["credit"]), found) if found else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def folder_of(model: str | None) -> str:
    """The folder of a codec's examples; the usual one where it names none that is here."""
    wanted = models.about(model).get("examples", USUAL)
    return wanted if wanted in all_clips() else USUAL


def all_clips() -> dict[str, Clips]:
    """Every folder of examples by its name."""
    folders = [FOLDER, *sorted(path for path in FOLDER.glob("*") if path.is_dir())]
    found = {USUAL if folder == FOLDER else folder.name: clips_in(folder) for folder in folders}
    return {name: clips for name, clips in found.items() if clips}


def view(sound: gr.Audio, picker: gr.Radio) -> None:
    """Show the examples of the picker's codec, and change them with it."""
    known, first = all_clips(), folder_of(next(iter(models.names()), None))
    sets = {name: _buttons(name, clips, sound, visible=name == first) for name, clips in known.items()}

    def follow(model: str | None):
        shown = folder_of(model)
        told = [gr.update(visible=name == shown) for name in sets]
        return told if len(told) != 1 else told[0]

    picker.change(follow, picker, list(sets.values()), api_visibility="private", show_progress="hidden", queue=False)


def _buttons(name: str, clips: Clips, sound: gr.Audio, visible: bool) -> gr.Dataset:
    """A button for each clip, which puts a copy of it into `sound`.

    gr.Examples would run ffprobe on each clip while the app starts, and lose its copies when `delete_cache` removes them.
    """
    labels, paths = list(clips.clips.values()), list(clips.clips)
    buttons = gr.Dataset(
        components=["textbox"], samples=[[label] for label in labels], sample_labels=labels, type="index", label=clips.credit,
        visible=visible, elem_id=f"examples-{name.strip('.') or 'usual'}",
    )  # fmt: skip

    def choose(index):
        if not (isinstance(index, int) and 0 <= index < len(paths)):
            return gr.skip()
        return FileData(path=save_file_to_cache(paths[index], sound.GRADIO_CACHE), orig_name=paths[index].name)

    buttons.click(choose, buttons, sound, show_progress="hidden", postprocess=False, queue=False, api_visibility="private")
    return buttons
