"""Pictures of one shape and questions about them, as in easy-VQA (Zhou 2019).

They are for the app. Models are trained and tested on easy-VQA itself; see `layouts`.
"""

import random
from dataclasses import dataclass
from itertools import product

import numpy as np

from vqaudio.questions.tokeniser import words_of

SIZE = 64  # pixels
SHAPES = ("rectangle", "circle", "triangle")
COLOURS = {
    "red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "black": (0, 0, 0), "gray": (128, 128, 128),
    "teal": (0, 128, 128), "brown": (165, 42, 42), "yellow": (255, 255, 0),
}  # fmt: skip
SHAPE_TEMPLATES = (
    "What shape is in the image?", "What shape does the image contain?", "What shape is present?", "What is the {colour} shape?",
)  # fmt: skip
COLOUR_TEMPLATES = (
    "What color is the shape?", "What is the color of the shape?", "What color is the {shape}?",
    "What is the color of the {shape}?",
)  # fmt: skip
YES_TEMPLATES = (
    "Is there a {thing}?", "Is there a {thing} in the image?", "Does the image contain a {thing}?", "Is a {thing} present?",
)  # fmt: skip
NO_TEMPLATES = (
    "Is there not a {thing}?", "Is there not a {thing} in the image?", "Does the image not contain a {thing}?",
    "Is no {thing} present?",
)  # fmt: skip


def _question(text: str, answer: str, kind: str) -> dict:
    return {"question": text, "answer": answer, "type": kind}


@dataclass(frozen=True)
class Picture:
    """One shape on a pale background: `pixels` uint8 [SIZE, SIZE, 3]."""

    shape: str
    colour: str
    pixels: np.ndarray

    def questions(self) -> list[dict]:
        """Return all questions with their answers and types, in a fixed order."""
        words = {"colour": self.colour, "shape": self.shape}
        asked = [_question(text.format(**words), self.shape, "Which shape") for text in SHAPE_TEMPLATES]
        asked += [_question(text.format(**words), self.colour, "Which color") for text in COLOUR_TEMPLATES]
        for (templates, present), thing in product(((YES_TEMPLATES, "yes"), (NO_TEMPLATES, "no")), [*SHAPES, *COLOURS]):
            is_here = thing in (self.shape, self.colour)
            answer = present if is_here else {"yes": "no", "no": "yes"}[present]
            name = thing if thing in SHAPES else f"{thing} shape"
            asked += [_question(text.format(thing=name), answer, "Is there") for text in templates]
        return asked

    def answer(self, question: str) -> str | None:
        """The true answer, or None for a question that is none of `questions`."""
        words = words_of(question)
        return next((one["answer"] for one in self.questions() if words_of(one["question"]) == words), None)


def draw(number: int) -> Picture:
    """Picture `number`: the same number gives the same picture."""
    from PIL import Image, ImageDraw

    rng = random.Random(f"one shape {number}")
    shape, colour, radius = rng.choice(SHAPES), rng.choice(list(COLOURS)), rng.randint(6, 15)
    x, y = (rng.randint(radius, SIZE - 1 - radius) for _ in range(2))
    image = Image.new("RGB", (SIZE, SIZE), tuple(rng.randint(230, 255) for _ in range(3)))
    pen, box = ImageDraw.Draw(image), (x - radius, y - radius, x + radius, y + radius)
    if shape == "circle":
        pen.ellipse(box, fill=COLOURS[colour])
    elif shape == "rectangle":
        pen.rectangle((box[0], y - radius * rng.uniform(0.5, 1), box[2], y + radius * rng.uniform(0.5, 1)), fill=COLOURS[colour])
    else:
        pen.polygon([(x, box[1]), (box[0], box[3]), (box[2], box[3])], fill=COLOURS[colour])
    return Picture(shape, colour, np.asarray(image))
