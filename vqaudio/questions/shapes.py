"""Sort-of-CLEVR: pictures of six shapes, with questions.

Santoro et al. 2017, "A simple neural network module for relational reasoning". Each shape has its own colour. Half of the
questions are about one shape (non-relational), half about several (relational).
"""

import random
from collections import Counter
from pathlib import Path

import numpy as np

from vqaudio.errors import InputError
from vqaudio.files import replace_folder
from vqaudio.progress import bar
from vqaudio.questions import programs
from vqaudio.questions.folder import check_new, write_json
from vqaudio.questions.scenes import SPLITS

SIZE, RADIUS = 64, 4  # pixels
COLOURS = {
    "red": (255, 0, 0), "green": (0, 160, 0), "blue": (0, 0, 255), "orange": (255, 156, 0), "gray": (128, 128, 128),
    "yellow": (240, 230, 0),
}
BACKGROUND = 255
TEMPLATES = {
    "query_shape": "What is the shape of the {} object?",
    "is_left": "Is the {} object on the left?",
    "is_top": "Is the {} object at the top?",
    "closest_shape": "What is the shape of the object closest to the {} object?",
    "furthest_shape": "What is the shape of the object furthest from the {} object?",
    "count_same_shape": "How many objects have the shape of the {} object?",
}
RELATIONAL = ("closest_shape", "furthest_shape", "count_same_shape")


def _distance(objects: list[dict], a: int, b: int) -> int:
    return (objects[a]["x"] - objects[b]["x"]) ** 2 + (objects[a]["y"] - objects[b]["y"]) ** 2


def _others(objects: list[dict], one: int) -> list[int]:
    return [i for i in range(len(objects)) if i != one]


FUNCTIONS = {
    "scene": lambda objects: list(range(len(objects))),
    "filter_colour": lambda objects, some, colour: [i for i in some if objects[i]["colour"] == colour],
    "unique": programs.FUNCTIONS["unique"],
    "closest": lambda objects, one: min(_others(objects, one), key=lambda other: _distance(objects, one, other)),
    "furthest": lambda objects, one: max(_others(objects, one), key=lambda other: _distance(objects, one, other)),
    "same_shape": lambda objects, one: [i for i, other in enumerate(objects) if other["shape"] == objects[one]["shape"]],
    "query_shape": lambda objects, one: objects[one]["shape"],
    "is_left": lambda objects, one: objects[one]["x"] < SIZE / 2,
    "is_top": lambda objects, one: objects[one]["y"] < SIZE / 2,
    "count": programs.FUNCTIONS["count"],
}
ENDS = {
    "query_shape": ("query_shape",), "is_left": ("is_left",), "is_top": ("is_top",), "closest_shape": ("closest", "query_shape"),
    "furthest_shape": ("furthest", "query_shape"), "count_same_shape": ("same_shape", "count"),
}


def picture_scene(split: str, seed: int, index: int) -> list[dict]:
    """Draw the six shapes of picture number `index`.

    Each has a colour, a shape, and the centre's x and y in pixels from the top left.
    """
    rng, objects = random.Random(f"shapes {seed} {split} {index}"), []
    for colour in COLOURS:
        while True:
            x, y = (rng.randrange(RADIUS, SIZE - RADIUS) for _ in range(2))
            if all(max(abs(x - one["x"]), abs(y - one["y"])) > 2 * RADIUS + 1 for one in objects):
                break
        objects.append({"colour": colour, "shape": rng.choice(("circle", "square")), "x": x, "y": y})
    return objects


def draw(objects: list[dict]) -> np.ndarray:
    """Render the picture, uint8 [SIZE, SIZE, 3]."""
    picture = np.full((SIZE, SIZE, 3), BACKGROUND, np.uint8)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    for one in objects:
        down, along = np.abs(rows - one["y"]), np.abs(columns - one["x"])
        inside = np.maximum(down, along) <= RADIUS if one["shape"] == "square" else down**2 + along**2 <= (RADIUS + 0.5) ** 2
        picture[inside] = COLOURS[one["colour"]]
    return picture


def question(objects: list[dict], kind: str, colour: str) -> dict:
    """Write a question with its program and answer."""
    names = ("scene", "filter_colour", "unique", *ENDS[kind])
    steps = [
        {"function": name, "inputs": [i - 1] if i else [], "value_inputs": [colour] if name == "filter_colour" else []}
        for i, name in enumerate(names)
    ]
    answer = programs.word_of(programs.run(steps, objects, FUNCTIONS)[-1])
    relational = "relational" if kind in RELATIONAL else "non-relational"
    return {"question": TEMPLATES[kind].format(colour), "program": steps, "answer": answer, "type": f"{relational}: {kind}"}


def write_picture_scenes(out: Path, split: str, count: int, questions: int, seed: int) -> dict[str, float]:
    """Write pictures and their questions, like `folder.write_sound_scenes`.

    Raises:
        InputError: the folder is not empty, or a count is out of range.
    """
    check_new(out)
    every = [(kind, colour) for kind in TEMPLATES for colour in COLOURS]
    if count < 1 or not 1 <= questions <= len(every) or split not in SPLITS:
        raise InputError(f"At least one picture and 1 to {len(every)} questions about each are needed.")
    shares: dict[str, float] = {}
    replace_folder(out, lambda folder: shares.update(_write_pictures(folder, every, split, count, questions, seed)))
    return shares


def _write_pictures(
    out: Path, every: list[tuple[str, str]], split: str, count: int, questions: int, seed: int
) -> dict[str, float]:
    """Write the files; return the share of the most frequent answer of each type."""
    from PIL import Image

    listed, asked = [], []
    (out / "pictures").mkdir()
    with bar("pictures", count, " pictures") as progress:
        for index in range(count):
            objects, name = picture_scene(split, seed, index), f"{split}_{index:06d}.png"
            Image.fromarray(draw(objects)).save(out / "pictures" / name)
            where = {"scene_index": index, "scene_filename": name, "split": split}
            listed.append({**where, "objects": objects})
            chosen = random.Random(f"questions {seed} {split} {index}").sample(every, questions)
            asked += [{"question_index": len(asked) + n, **where, **question(objects, *one)} for n, one in enumerate(chosen)]
            progress.update()
    info = {"source": "Sort-of-CLEVR", "split": split, "seed": seed}
    write_json(out / "scenes.json", {"info": info, "scenes": listed})
    write_json(out / "questions.json", {"info": info, "questions": asked})
    counts = {kind: Counter(one["answer"] for one in asked if one["type"] == kind) for kind in sorted({q["type"] for q in asked})}
    return {kind: max(answers.values()) / answers.total() for kind, answers in counts.items()}
