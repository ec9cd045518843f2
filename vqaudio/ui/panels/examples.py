"""The clips that ship with the app.

A codec's about.json names its folder of them ("examples"). A folder of assets/examples holds sounds and an examples.json:
{"credit": a line, "clips": {file: what is said in it}, "speakers": {file: who says it}}; the speakers may be left out.
"""

import json
import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vqaudio.analysis.phones import KIND
from vqaudio.data.annotations import read_labels
from vqaudio.errors import InputError
from vqaudio.timed_labels import TimedLabel
from vqaudio.ui import models

FOLDER = Path(__file__).resolve().parents[3] / "assets" / "examples"
USUAL = "."  # for a codec that names none: the folder itself
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clips:
    """A folder's clips: paths with their names, whom to thank, and known speakers."""

    credit: str
    clips: dict[Path, str]
    speakers: dict[Path, str]


@dataclass(frozen=True)
class Group:
    """The examples of one model, for the page's menu."""

    model: str
    title: str
    clips: list[dict[str, str]]


def clips_in(folder: Path) -> Clips | None:
    """The existing clips that a folder's examples.json names; None if there are none."""
    try:
        listed = json.loads((folder / "examples.json").read_text())
        found = {folder / name: str(label) for name, label in listed["clips"].items() if (folder / name).is_file()}
        speakers = {folder / name: str(speaker) for name, speaker in listed.get("speakers", {}).items()}
        return Clips(str(listed["credit"]), found, speakers) if found else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def folder_of(model: str | None) -> str:
    """The folder of a codec's examples; the usual one where it names none that exists."""
    wanted = models.about(model).get("examples", USUAL)
    return wanted if wanted in all_clips() else USUAL


@cache
def all_clips() -> dict[str, Clips]:
    """Every folder of examples by its name."""
    folders = [FOLDER, *sorted(path for path in FOLDER.glob("*") if path.is_dir())]
    found = {USUAL if folder == FOLDER else folder.name: clips_in(folder) for folder in folders}
    return {name: clips for name, clips in found.items() if clips}


def of_model(model: str | None) -> dict[str, tuple[Path, str]]:
    """A codec's examples by the stem of their files: path and title. Reads no weights."""
    known = all_clips().get(folder_of(model))
    return {path.stem: (path, label) for path, label in known.clips.items()} if known else {}


def title_of(path: Path) -> str:
    """The title of an example; the file's name for any other recording."""
    return next((clips.clips[path] for clips in all_clips().values() if path in clips.clips), path.stem)


def speaker_of(path: Path) -> str:
    """The speaker of an example; empty if unknown, and for other recordings."""
    return next((clips.speakers[path] for clips in all_clips().values() if path in clips.speakers), "")


def phones_of(path: Path, seconds: float) -> tuple[TimedLabel, ...]:
    """The phones of an example, from the .lab file beside it.

    None for any other recording, and for a damaged file.
    """
    labels = path.with_suffix(".lab")
    if not labels.is_file() or not any(path in clips.clips for clips in all_clips().values()):
        return ()
    try:
        return tuple(label for label in read_labels(labels, seconds) if label.kind == KIND)
    except InputError as error:
        _log.warning("the labels of an example are skipped: %s", error)
        return ()


def groups() -> list[Group]:
    """The examples of every model, in the picker's order."""
    shown = [(title, model, of_model(model)) for title, model in models.titles()]
    return [
        Group(model, title, [{"name": name, "label": label} for name, (_, label) in clips.items()])
        for title, model, clips in shown
        if clips
    ]


def credits() -> list[str]:
    """Whom to thank for the examples, a line for each folder."""
    return [clips.credit for clips in all_clips().values()]
