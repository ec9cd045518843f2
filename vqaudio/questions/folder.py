"""Write scenes and questions to a folder; `layouts` reads it.

    OUT/scenes.json     {"info": {...}, "scenes": [{"scene_index", "scene_filename", "split", "sounds": [...]}]}
    OUT/questions.json  {"info": {...}, "questions": [{"scene_index", "scene_filename", "question", "program", "answer", "type"}]}
    OUT/audio/*.flac
"""

import io
import json
import os
from pathlib import Path

import numpy as np
import soundfile

from vqaudio.audio import to_int16
from vqaudio.errors import InputError
from vqaudio.files import replace_file, replace_folder
from vqaudio.progress import bar
from vqaudio.questions import scenes
from vqaudio.questions.grammar import Asker


def write_sound_scenes(
    out: Path, data: str | os.PathLike | None, split: str, count: int, questions: int, seed: int, semitones: int = 0
) -> dict[str, float]:
    """Write scenes and their questions.

    Args:
        out: a new folder.
        data, split, semitones: the notes, see `scenes.load_notes`.
        count: number of scenes.
        questions: number of questions per scene.
        seed: determines the scenes and questions.

    Returns:
        the share of the most frequent answer of each type.

    Raises:
        InputError: the folder is not empty, there are no notes, or a count is below 1.
    """
    check_new(out)
    if count < 1 or questions < 1:
        raise InputError("At least one scene and one question are needed.")
    library, asker = scenes.load_notes(data, split, semitones), Asker(seed, split)
    info = {"source": "CLEAR's elementary sounds", "split": split, "seed": seed, "semitones": semitones}
    replace_folder(out, lambda folder: _write_sounds(folder, library, asker, info, count, questions))
    return asker.commonest()


def _write_sounds(out: Path, library: tuple[scenes.Note, ...], asker: Asker, info: dict, count: int, questions: int) -> None:
    split, seed, listed, asked = info["split"], info["seed"], [], []
    (out / "audio").mkdir()
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
    write_json(out / "scenes.json", {"info": info, "scenes": listed})
    write_json(out / "questions.json", {"info": info, "questions": asked})


def check_new(out: Path) -> None:
    """Raise InputError if `out` is a file or a folder with content."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists already. Choose a new folder.")


def write_json(path: Path, content: dict) -> None:
    text = json.dumps(content, separators=(",", ":")) + "\n"
    replace_file(path, lambda temporary: temporary.write_text(text))


def _write_flac(path: Path, audio: np.ndarray) -> None:
    file = io.BytesIO()  # not the disk: soundfile does not report a full disk
    soundfile.write(file, to_int16(audio), scenes.SAMPLE_RATE, subtype="PCM_16", format="FLAC")
    path.write_bytes(file.getbuffer())
