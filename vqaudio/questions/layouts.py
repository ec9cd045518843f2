"""Read scenes or pictures with questions, in several datasets' layouts."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vqaudio.errors import InputError
from vqaudio.questions import tfrecords

Source = Path | bytes
"""A file, or the bytes of one."""


@dataclass(frozen=True)
class Question:
    """A question about one scene or picture."""

    text: str
    answer: str
    type: str
    picture: int
    """Position of its scene or picture in the folder's list."""
    program: tuple[dict, ...] = ()
    """The question's program, if the dataset has one."""


@dataclass(frozen=True)
class Folder:
    """Scenes or pictures, and questions about them."""

    sources: tuple[Source, ...]
    """A sound or a picture each."""
    questions: tuple[Question, ...]
    sounds: tuple[list[dict], ...] = ()
    """Descriptions of the scenes, if any."""

    def of_picture(self) -> list[list[int]]:
        """Return the positions of the questions of every scene or picture."""
        lists: list[list[int]] = [[] for _ in self.sources]
        for at, question in enumerate(self.questions):
            lists[question.picture].append(at)
        return lists


def read(layout: str, root: Path, split: str) -> Folder:
    """Read one split.

    Args:
        layout: a key of `LAYOUTS`.
        root: the dataset's folder; for scenes, also the folder of that split alone.
        split: train, validation or test.

    Raises:
        InputError: an unknown layout, a missing or damaged list, or no questions.
    """
    if layout not in LAYOUTS:
        raise InputError(f"There is no layout {layout!r}: choose one of {', '.join(LAYOUTS)}.")
    try:
        folder = LAYOUTS[layout](Path(root), split)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{root} is damaged, or not laid out as {layout}: its lists lack {error}.") from None
    if not folder.questions:
        raise InputError(f"{root} holds no questions.")
    return folder


def _scenes(root: Path, split: str) -> Folder:
    """Scenes written by `vqaudio scenes`: sounds or pictures."""
    root = root if (root / "scenes.json").is_file() else root / split
    listed, asked = (_list(root / f"{name}.json", name) for name in ("scenes", "questions"))
    sources = tuple(root / ("pictures" if name.endswith(".png") else "audio") / name for name in _names(listed, "scene_filename"))
    sounds = tuple(scene["sounds"] for scene in listed) if "sounds" in listed[0] else ()
    return Folder(sources, _questions(asked, listed, "scene_index"), sounds)


def _clear(root: Path, split: str) -> Folder:
    """CLEAR: audio/train, scenes/CLEAR_train_scenes.json, questions/CLEAR_train_questions.json."""
    split = {"validation": "val"}.get(split, split)
    listed = _list(root / "scenes" / f"CLEAR_{split}_scenes.json", "scenes")
    asked = _list(root / "questions" / f"CLEAR_{split}_questions.json", "questions")
    names = {question["scene_index"]: question["scene_filename"] for question in asked}
    files = [scene.get("scene_filename") or names.get(scene["scene_index"], "") for scene in listed]
    return Folder(tuple(root / "audio" / split / name for name in files), _questions(asked, listed, "scene_index"))


def _clevr(root: Path, split: str) -> Folder:
    """CLEVR: images/train, questions/CLEVR_train_questions.json."""
    split = {"validation": "val"}.get(split, split)
    asked = _list(root / "questions" / f"CLEVR_{split}_questions.json", "questions")
    images = {question["image_index"]: question["image_filename"] for question in asked}
    listed = [{"image_index": index, "image_filename": images[index]} for index in sorted(images)]
    sources = tuple(root / "images" / split / name for name in _names(listed, "image_filename"))
    return Folder(sources, _questions(asked, listed, "image_index"))


def _easy_vqa(root: Path, split: str) -> Folder:
    """easy-VQA: train/images/0.png, train/questions.json; every tenth training picture is for validation."""
    part = root / ("test" if split == "test" else "train")
    asked = _read_json(part / "questions.json")
    kept = [one for one in asked if split == "test" or (one[2] % 10 == 0) == (split == "validation")]
    numbers = sorted({number for _, _, number in kept})
    positions = {number: at for at, number in enumerate(numbers)}
    questions = tuple(Question(text, answer, _easy_type(answer), positions[number]) for text, answer, number in kept)
    return Folder(tuple(part / "images" / f"{number}.png" for number in numbers), questions)


def _easy_type(answer: str) -> str:
    if answer in ("yes", "no"):
        return "yes or no"
    return "shape" if answer in ("circle", "rectangle", "triangle") else "colour"


def _tfrecords(root: Path, split: str) -> Folder:
    """The coursework's files: named by split, with the features image, question and answer."""
    files = sorted(path for path in root.glob(f"{split}*.tfrecord*") if path.is_file())
    if not files:
        raise InputError(f"{root} holds no {split}*.tfrecord file.")
    examples = [tfrecords.example(record) for file in files for record in tfrecords.records(file)]
    texts = [{name: example[name][0] for name in ("image", "question", "answer")} for example in examples]
    questions = tuple(Question(_text(one["question"]), _text(one["answer"]), "question", at) for at, one in enumerate(texts))
    return Folder(tuple(one["image"] for one in texts), questions)


LAYOUTS: dict[str, Callable[[Path, str], Folder]] = {
    "scenes": _scenes, "clear": _clear, "clevr": _clevr, "easy-vqa": _easy_vqa, "tfrecords": _tfrecords,
}
LICENCES = {"clevr": "cc-by-4.0", "easy-vqa": "mit"}  # of the data; others' are unknown


def _questions(asked: list[dict], listed: list[dict], key: str) -> tuple[Question, ...]:
    positions = {scene[key]: at for at, scene in enumerate(listed)}
    return tuple(
        Question(q["question"], str(q["answer"]), _type(q), positions[q[key]], tuple(q.get("program") or ())) for q in asked
    )


def _type(question: dict) -> str:
    """The question's type, or its program's last function (CLEVR: function, CLEAR: type)."""
    if "type" in question:
        return question["type"]
    last = (question.get("program") or [{}])[-1]
    return last.get("function") or last.get("type") or "question"


def _names(listed: list[dict], key: str) -> list[str]:
    """File names without folders, so that a list cannot lead elsewhere."""
    return [Path(one[key]).name for one in listed]


def _list(path: Path, key: str) -> list[dict]:
    content = _read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get(key), list):
        raise InputError(f"{path} is damaged: it has no list of {key}.")
    return content[key]


def _read_json(path: Path):
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"There is no {path}. Name the dataset's folder with --data.") from None
    except (ValueError, OSError):
        raise InputError(f"{path} is damaged: it is not JSON.") from None


def _text(value: bytes | int) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
