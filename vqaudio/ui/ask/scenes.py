"""Numbered scenes to ask about: notes in a room, or one shape in a picture."""

import functools
import random
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from vqaudio.questions import grammar, one_shape, programs, scenes
from vqaudio.questions.parser import parse
from vqaudio.questions.programs import IllPosed
from vqaudio.ui import wire
from vqaudio.ui.clip import pictures

A_TYPE = 12  # questions of each type that are offered
TOP_DB = -20.0  # of the picture: a loud sound
TITLES = {
    "exist": "Is there", "count": "How many", "exist_related": "Before or after", "count_related": "Before or after",
    "query_instrument": "Which instrument", "query_note": "Which note", "query_octave": "Which note",
    "query_loudness": "How loud",
    "query_brightness": "How bright", "position": "Which position", "compare_counts": "More or fewer",
    **{kind: "The same" for kind in grammar.TYPES if kind.startswith("equal_")},
}  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """The true answer and the steps of the program that finds it.

    A step has a text and either the numbers of its sounds or a value.
    """

    answer: str
    steps: tuple[dict, ...] = ()


class Scene(Protocol):
    """Interface of a scene."""

    source: Tensor

    def describe(self) -> dict:
        """Return what the page draws and plays."""

    def questions(self) -> list[dict]:
        """Return questions that have a true answer, with their types."""

    def truth(self, question: str) -> Truth | None:
        """Return the true answer; None outside the grammar. Raises IllPosed."""


class SoundScene:
    """Five to ten notes from the test split."""

    def __init__(self, number: int):
        audio, sounds = scenes.scene(scenes.bundled_notes(), "test", 0, number)
        self.number, self.sounds = number, programs.in_order(sounds)
        self.source = torch.from_numpy(np.ascontiguousarray(audio, np.float32))[None, None]

    def describe(self) -> dict:
        sound = self.source[0, 0]
        decibel = pictures.spectrogram_db(sound, scenes.SAMPLE_RATE)
        return {
            "sound": wire.sound(sound), "sample_rate": scenes.SAMPLE_RATE, "seconds": len(sound) / scenes.SAMPLE_RATE,
            "picture": wire.picture(pictures.shades(decibel, TOP_DB)), "top_hz": scenes.SAMPLE_RATE / 2,
            "spans": [[sound["start_s"], sound["start_s"] + sound["duration_s"]] for sound in self.sounds],
        }  # fmt: skip

    def questions(self) -> list[dict]:
        rng, found = random.Random(f"offered {self.number}"), {}
        for kind in grammar.TYPES:
            drawn = (grammar.draw(rng, self.sounds, kind) for _ in range(4 * A_TYPE))
            kept = list(dict.fromkeys(one["question"] for one in drawn if one))[:A_TYPE]
            found |= {question: {"question": question, "type": TITLES[kind]} for question in kept}
        return list(found.values())

    def truth(self, question: str) -> Truth | None:
        program = parse(question)
        if program is None:
            return None
        values = programs.trace(program, self.sounds)
        steps = tuple(_step(step, value) for step, value in zip(program, values))
        return Truth(programs.word_of(values[-1]), steps)


def _step(step: dict, value) -> dict:
    """A program's step in words, and its value: the numbers of sounds, or a word."""
    text = " ".join([step["function"].replace("_", " "), *step["value_inputs"]]).replace("scene", "all sounds")
    one = step["function"] in ("unique",)
    sounds = [value] if one else value if isinstance(value, list) else None
    return {"text": text, "sounds": sounds, "value": None if sounds is not None else programs.word_of(value)}


class PictureScene:
    """One shape in a colour."""

    def __init__(self, number: int):
        self.number, self.picture = number, one_shape.draw(number)
        self.source = torch.from_numpy(self.picture.pixels.astype(np.float32) / 255)

    def describe(self) -> dict:
        size = self.picture.pixels.shape[0]
        return {"pixels": wire.text(self.picture.pixels.tobytes()), "size": size}

    def questions(self) -> list[dict]:
        return [{"question": one["question"], "type": one["type"]} for one in self.picture.questions()]

    def truth(self, question: str) -> Truth | None:
        answer = self.picture.answer(question)
        return None if answer is None else Truth(answer)


KINDS = {"sound": SoundScene, "picture": PictureScene}


@functools.lru_cache(maxsize=8)
def scene(kind: str, number: int) -> Scene:
    """A scene by its number; the same number gives the same scene."""
    return KINDS[kind](number)


def truth_in_words(found: Scene, question: str) -> dict | None:
    """The truth for the page, with the reason where there is none."""
    try:
        truth = found.truth(question)
    except IllPosed as error:
        return {"answer": None, "why": f"This question has no answer here: {error}", "steps": []}
    if truth is None:
        return {"answer": None, "why": "The true answer is only known for questions in the words of the examples.", "steps": []}
    return {"answer": truth.answer, "why": "", "steps": list(truth.steps)}
