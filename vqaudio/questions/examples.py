"""A folder's questions as tensors, and a network's answers to all of them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vqaudio.questions import programs
from vqaudio.questions.film import QuestionConfig, QuestionModel
from vqaudio.questions.grammar import VALUES
from vqaudio.questions.layouts import Folder
from vqaudio.questions.tokeniser import padded

NO_SOUND = -100


@dataclass(frozen=True)
class Examples:
    """A folder's questions as tensors, and its pictures.

    Attributes:
        pictures: float16 [n, H, W, inputs].
        tokens, lengths, answers: [questions, L], [questions], [questions]; -1 is an answer that the model does not know.
        of_picture: the positions of each picture's questions.
        types: of the questions.
        sounds: [n, 10, 1 + attributes]: the column where each sound starts, and its attributes' classes; padded with `NO_SOUND`.
        selected: uint8 [questions, 2, 10]: 1 for the sounds of `programs.selections`, in the scene's order.
    """

    pictures: np.ndarray
    tokens: Tensor
    lengths: Tensor
    answers: Tensor
    of_picture: list[list[int]]
    types: list[str]
    sounds: Tensor | None = None
    selected: Tensor | None = None


def examples(folder: Folder, pictures: np.ndarray, model: QuestionModel) -> Examples:
    """Convert a folder's questions with the model's own tokeniser and answers."""
    numbers = {answer: i for i, answer in enumerate(model.config.answers)}
    tokens, lengths = padded([model.tokeniser.encode(question.text) for question in folder.questions])
    answers = torch.tensor([numbers.get(question.answer, -1) for question in folder.questions])
    types = [question.type for question in folder.questions]
    sounds = sound_table(folder, model.config) if folder.sounds else None
    selected = selection_table(folder, sounds.shape[1]) if sounds is not None else None
    return Examples(pictures, tokens, lengths, answers, folder.of_picture(), types, sounds, selected)


def selection_table(folder: Folder, most: int) -> Tensor:
    """Build `Examples.selected`."""
    table = np.zeros((len(folder.questions), 2, most), np.uint8)
    for row, question in zip(table, folder.questions):
        for cells, chosen in zip(row, programs.selections(list(question.program), folder.sounds[question.picture])):
            cells[chosen] = 1
    return torch.from_numpy(table)


def sound_table(folder: Folder, config: QuestionConfig) -> Tensor:
    """Build `Examples.sounds`."""
    table = torch.full((len(folder.sounds), max(map(len, folder.sounds)), 1 + len(VALUES)), NO_SOUND)
    for row, sounds in zip(table, folder.sounds):
        for cell, sound in zip(row, programs.in_order(sounds)):
            cell[0] = round(sound["start_s"] / config.column_s)
            cell[1:] = torch.tensor([values.index(sound[name]) for name, values in VALUES.items()])
    return table


def answers_of(folder: Folder) -> tuple[str, ...]:
    """Return all answers of a folder in alphabetical order."""
    return tuple(sorted({question.answer for question in folder.questions}))


@dataclass(frozen=True)
class Score:
    """Accuracy, loss and correctness of answers."""

    accuracy: float
    loss: float
    by_type: dict[str, float]
    right: Tensor
    """Bool, one per question."""


@torch.no_grad()
def answer_all(model: QuestionModel, data: Examples, pictures: int | None = None) -> Score:
    """Answer the questions about the first `pictures` pictures, or about all."""
    model.eval()
    device = next(model.parameters()).device
    asked, logits = [], []
    for start in range(0, len(data.of_picture[:pictures]), 50):
        lists = data.of_picture[start : min(start + 50, pictures or len(data.of_picture))]
        here = torch.tensor([q for one in lists for q in one], dtype=torch.long)
        if not len(here):
            continue
        features = model.features(torch.from_numpy(data.pictures[start : start + len(lists)].astype(np.float32)).to(device))
        repeated = features.repeat_interleave(torch.tensor([len(one) for one in lists], device=device), 0)
        lengths = data.lengths[here]
        tokens = data.tokens[here, : int(lengths.max())].to(device)
        asked.append(here)
        logits.append(model.answer(repeated, tokens, lengths).cpu())
    positions, scores = torch.cat(asked), torch.cat(logits)
    wanted = data.answers[positions]
    right = scores.argmax(-1) == wanted
    kinds = [data.types[i] for i in positions.tolist()]
    by_type = {kind: float(right[torch.tensor([one == kind for one in kinds])].float().mean()) for kind in sorted(set(kinds))}
    loss = F.cross_entropy(scores, wanted, ignore_index=-1)
    return Score(float(right.float().mean()), float(loss), by_type, right)
