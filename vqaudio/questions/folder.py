"""Folders of scenes and questions: written here, and read in this layout and in those of CLEAR and CLEVR.

    OUT/scenes.json     {"info": {...}, "scenes": [{"scene_index", "scene_filename", "split", "sounds": [...]}]}
    OUT/questions.json  {"info": {...}, "questions": [{"scene_index", "scene_filename", "question", "program", "answer", "type"}]}
    OUT/audio/*.flac
"""

import io
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from vqaudio.audio import to_int16
from vqaudio.errors import InputError
from vqaudio.hub import replace_file
from vqaudio.progress import bar
from vqaudio.questions import scenes
from vqaudio.questions.grammar import Asker


def write_sound_scenes(
    out: Path, data: str | os.PathLike | None, split: str, count: int, questions: int, seed: int, semitones: int = 0
) -> dict[str, float]:
    """Write scenes and their questions.

    Returns:
        the share of the most frequent answer of each type.

    Raises:
        InputError: the folder holds files already, no notes, or a count below 1.
    """
    check_new(out)
    if count < 1 or questions < 1:
        raise InputError("At least one scene and one question are needed.")
    library = scenes.load_notes(data, split, semitones)
    asker, listed, asked = Asker(seed, split), [], []
    (out / "audio").mkdir(parents=True, exist_ok=True)
    with bar("scenes", count, " scenes") as progress:
        for index in range(count):
            audio, sounds = scenes.scene(library, split, seed, index)
            name = f"{split}_{index:06d}.flac"
            _write_flac(out / "audio" / name, audio)
            listed.append({"scene_index": index, "scene_filename": name, "split": split, "sounds": sounds})
            asked += [
                {"question_index": len(asked) + n, "scene_index": index, "scene_filename": name, "split": split, **one}
                for n, one in enumerate(asker.ask(sounds, index, questions))
            ]
            progress.update()
    info = {"source": "CLEAR's elementary sounds", "split": split, "seed": seed, "semitones": semitones}
    write_json(out / "scenes.json", {"info": info, "scenes": listed})
    write_json(out / "questions.json", {"info": info, "questions": asked})
    return asker.commonest()


def check_new(out: Path) -> None:
    """InputError if this is a file, or a folder with something in it."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists already. Choose a new folder.")


def write_json(path: Path, content: dict) -> None:
    text = json.dumps(content, separators=(",", ":")) + "\n"
    replace_file(path, lambda temporary: temporary.write_text(text))


def _write_flac(path: Path, audio: np.ndarray) -> None:
    file = io.BytesIO()  # and not the disk: soundfile does not tell when a disk is full
    soundfile.write(file, to_int16(audio), scenes.SAMPLE_RATE, subtype="PCM_16", format="FLAC")
    replace_file(path, lambda temporary: temporary.write_bytes(file.getbuffer()))


@dataclass(frozen=True)
class Question:
    """A question about one scene or picture."""

    text: str
    answer: str
    type: str
    picture: int
    """Position of its scene or picture in the folder's list."""


@dataclass(frozen=True)
class Folder:
    """Scenes or pictures, and questions about them."""

    files: tuple[Path, ...]
    """A sound or a picture each."""
    questions: tuple[Question, ...]
    sounds: tuple[list[dict], ...] = ()
    """Descriptions of the scenes, where there are any."""

    def of_picture(self) -> list[list[int]]:
        """The positions of the questions of every scene or picture."""
        lists: list[list[int]] = [[] for _ in self.files]
        for at, question in enumerate(self.questions):
            lists[question.picture].append(at)
        return lists


def read(root: Path) -> Folder:
    """Read scenes and questions that `vqaudio scenes` wrote.

    Raises:
        InputError: a list is missing or damaged.
    """
    listed, asked = (read_json(root / f"{name}.json", name) for name in ("scenes", "questions"))
    try:
        files = tuple(root / FOLDERS[Path(scene["scene_filename"]).suffix] / scene["scene_filename"] for scene in listed)
        positions = {scene["scene_index"]: at for at, scene in enumerate(listed)}
        questions = tuple(Question(q["question"], q["answer"], q["type"], positions[q["scene_index"]]) for q in asked)
        sounds = tuple(scene["sounds"] for scene in listed) if "sounds" in listed[0] else ()
    except (KeyError, IndexError, TypeError, AttributeError):
        raise InputError(f"{root} is damaged: its scenes.json or questions.json lacks something.") from None
    return Folder(files, questions, sounds)


FOLDERS = {".flac": "audio", ".wav": "audio", ".png": "pictures"}


def read_json(path: Path, key: str) -> list[dict]:
    """The list that a JSON file holds under a key. Raises InputError where there is none."""
    try:
        return list(json.loads(path.read_text())[key])
    except FileNotFoundError:
        raise InputError(f"There is no {path}. Name a folder that `vqaudio scenes` wrote.") from None
    except (ValueError, KeyError, TypeError, OSError):
        raise InputError(f"{path} is damaged: it is not a list of {key}.") from None
