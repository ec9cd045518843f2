"""What tests of questions share: tones under the names of CLEAR's notes, scenes of them, and a small model."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
import torch

from vqaudio import hub
from vqaudio.questions import folder, layouts, one_shape, scenes
from vqaudio.questions.film import QuestionConfig, QuestionModel
from vqaudio.questions.tokeniser import vocabulary
from vqaudio.training.question_recipes import NOTES, PICTURES
from vqaudio.ui import ask

INSTRUMENTS = ("bass", "cello", "clarinet", "flute", "trumpet", "violin")


def write_tones(root: Path) -> Path:
    """Eight short tones of each instrument under CLEAR's names, in a new folder."""
    listed = []
    root.mkdir()
    time = np.arange(9600) / 16000
    for number, instrument in enumerate(INSTRUMENTS):
        for pitch in range(8):
            note, octave = scenes.PITCH_CLASSES[pitch], 3 + (number + pitch) % 3
            hz = 440 * 2 ** ((12 * (octave + 1) + pitch - 69) / 12)
            name = f"{instrument}_{octave}_{note}"
            tone = sum(np.sin(2 * np.pi * hz * k * time) / k ** (1 + number / 2) for k in range(1, 6))
            soundfile.write(root / f"{name}.flac", 0.1 * tone * np.exp(-2 * time), 16000)
            listed.append({"instrument": instrument, "note": note, "octave": octave, "filename": f"{name}.wav"})
    (root / "elementary_sounds.json").write_text(json.dumps(listed))
    return root


def write_scenes(root: Path, tones: Path) -> Path:
    """Training and validation scenes of these tones."""
    for split, count in (("train", 12), ("validation", 4)):
        folder.write_sound_scenes(root / split, tones, split, count, 16, seed=0)
    return root


def small_model(read: layouts.Folder, **changes) -> QuestionModel:
    """A model for these questions that was never trained."""
    torch.manual_seed(0)
    config = QuestionConfig(
        vocabulary=vocabulary(question.text for question in read.questions),
        answers=tuple(sorted({question.answer for question in read.questions})),
        sees="sound", height=64, width=300, inputs=1, extractor_channels=(4, 8), extractor_strides=((8, 8), (8, 2)), channels=8,
        embedding=8, gru=8, classifier_channels=8, classifier_hidden=8,
    )
    return QuestionModel(replace(config, **changes)).eval()


def save_networks(weights: Path) -> None:
    """Untrained ask-notes and ask-pictures, small, in a folder like weights/."""
    sounds = [one["question"] for number in range(6) for one in ask.open_scene({"kind": "sound", "number": number})["questions"]]
    shapes = [one["question"] for number in range(9) for one in one_shape.draw(number).questions()]
    for name, config, asked in (("ask-notes", NOTES, sounds), ("ask-pictures", PICTURES, shapes)):
        torch.manual_seed(0)
        shape = {"extractor_channels": (4, 4), "extractor_strides": ((4, 4), (4, 4)), "n_blocks": 1, "channels": 8, "gru": 8}
        config = replace(config, **shape, vocabulary=vocabulary(asked), answers=("no", "yes", *map(str, range(11))))
        hub.save_compact(QuestionModel(config), weights / name)
