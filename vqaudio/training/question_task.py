"""Training a network that answers questions: one question a picture an epoch, cross-entropy over the answers."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio.questions.film import QuestionConfig, QuestionModel
from vqaudio.questions.grammar import VALUES
from vqaudio.questions.layouts import Folder
from vqaudio.questions.tokeniser import padded
from vqaudio.training.loop import Place

NO_SOUND = -100  # what cross-entropy ignores


@dataclass(frozen=True)
class QuestionTraining:
    """The batches and the losses of a network that answers questions."""

    epochs: int = 100
    batch_size: int = 64
    """Questions a step."""
    questions_per_picture: int = 1
    """Drawn for every picture in every epoch; they share the extractor's features."""
    learning_rate: float = 3e-4
    sound_labels: float = 0.0
    """Weight of a second loss, for sound scenes: each column of the features tells the attributes of the sound that starts in it,
    by a linear layer that is not part of the model."""
    shift: int = 0
    """Of sound: pictures are shifted in time by up to this many columns."""
    tilt: float = 0.0
    """Of sound: a random straight line over the bands, up to this much at their ends, is added; 0.1 is 8 dB."""
    validation_pictures: int = 250
    """How many pictures of the validation part are looked at in each validation."""


@dataclass(frozen=True)
class Examples:
    """A folder's questions as numbers, and its pictures.

    Attributes:
        pictures: float16 [n, H, W, inputs].
        tokens, lengths, answers: [questions, L], [questions], [questions]; -1 is an answer that the model does not know.
        of_picture: the positions of each picture's questions.
        sounds: [n, 10, 1 + attributes]: the column where each sound starts, and its attributes' classes; `NO_SOUND` fills up.
    """

    pictures: np.ndarray
    tokens: Tensor
    lengths: Tensor
    answers: Tensor
    of_picture: list[list[int]]
    types: list[str]
    sounds: Tensor | None = None


def examples(folder: Folder, pictures: np.ndarray, model: QuestionModel) -> Examples:
    """Number the questions of a folder with the model's own tokeniser and answers."""
    numbers = {answer: i for i, answer in enumerate(model.config.answers)}
    tokens, lengths = padded([model.tokeniser.encode(question.text) for question in folder.questions])
    answers = torch.tensor([numbers.get(question.answer, -1) for question in folder.questions])
    types = [question.type for question in folder.questions]
    sounds = sound_table(folder, model.config) if folder.sounds else None
    return Examples(pictures, tokens, lengths, answers, folder.of_picture(), types, sounds)


def sound_table(folder: Folder, config: QuestionConfig) -> Tensor:
    """See `Examples.sounds`."""
    table = torch.full((len(folder.sounds), max(map(len, folder.sounds)), 1 + len(VALUES)), NO_SOUND)
    for row, sounds in zip(table, folder.sounds):
        for cell, sound in zip(row, sounds):
            cell[0] = round(sound["start_s"] / config.column_s)
            cell[1:] = torch.tensor([values.index(sound[name]) for name, values in VALUES.items()])
    return table


def answers_of(folder: Folder) -> tuple[str, ...]:
    """All answers of a folder, in alphabetical order."""
    return tuple(sorted(Counter(question.answer for question in folder.questions)))


class QuestionObjective(nn.Module):
    """forward returns the loss."""

    def __init__(self, model: QuestionModel, settings: QuestionTraining):
        super().__init__()
        self.model, self.settings = model, settings
        outputs = sum(len(values) for values in VALUES.values())
        self.sounds = nn.Conv1d(model.config.extractor_channels[-1], 1 + outputs, 1) if settings.sound_labels else None

    def forward(self, pictures: Tensor, tokens: Tensor, lengths: Tensor, answers: Tensor, sounds: Tensor | None):
        """Pictures [B, H, W, C] and B * n questions, n for each picture in a row -> (loss, its terms)."""
        features = self.model.features(pictures)
        logits = self.model.answer(features.repeat_interleave(len(tokens) // len(features), 0), tokens, lengths)
        loss = answer_loss = F.cross_entropy(logits, answers)
        terms = {"loss": answer_loss, "accuracy": (logits.argmax(-1) == answers).float().mean()}
        if self.sounds is not None and sounds is not None:
            terms["sounds"] = self._sound_loss(self.sounds(features.mean(-2)), sounds, pictures.shape[2])
            loss = loss + self.settings.sound_labels * terms["sounds"]
        return loss, terms

    @staticmethod
    def _sound_loss(logits: Tensor, sounds: Tensor, width: int) -> Tensor:
        """Logits [B, 1 + outputs, columns], sounds as in `Examples`: whether a sound starts in a column, and which one."""
        columns = sounds[..., 0] * logits.shape[-1] // width
        inside = sounds[..., 0] >= 0
        starts = torch.zeros_like(logits[:, 0])
        picture, _ = torch.nonzero(inside, as_tuple=True)
        starts[picture, columns[inside]] = 1.0
        loss = F.binary_cross_entropy_with_logits(logits[:, 0], starts)
        parts = logits[picture, 1:, columns[inside]].split([len(values) for values in VALUES.values()], -1)
        for part, wanted in zip(parts, sounds[inside][:, 1:].T):
            loss = loss + F.cross_entropy(part, wanted)
        return loss


class QuestionTask:
    """Trains a network that answers questions; see `training.loop.Task`."""

    def __init__(
        self, model: QuestionModel, settings: QuestionTraining, train: Examples, validation: Examples, seed: int, place: Place
    ):
        self.model, self.settings, self.train, self.validation = model, settings, train, validation
        self.seed, self.place = seed, place
        self.objective = place.wrap(QuestionObjective(model, settings))
        self.modules = {"model": model}
        if self._plain.sounds is not None:
            self.modules["sounds"] = self._plain.sounds
        self.optimisers = {"model": torch.optim.Adam(self.objective.parameters())}
        self.learning_rates = {"model": settings.learning_rate}

    @property
    def _plain(self) -> QuestionObjective:
        return getattr(self.objective, "module", self.objective)

    @property
    def pictures_per_step(self) -> int:
        return max(1, self.settings.batch_size // self.settings.questions_per_picture)

    @property
    def steps_per_epoch(self) -> int:
        """Steps, over all processes together, in which every picture occurs once; an incomplete last batch is left out."""
        return max(1, len(self.train.of_picture) // (self.pictures_per_step * self.place.world))

    def train_step(self, step: int) -> dict[str, Tensor]:
        self.objective.train()
        loss, terms = self.objective(*(part if part is None else part.to(self.place.device) for part in self.batch(step)))
        self.optimisers["model"].zero_grad(set_to_none=True)
        loss.backward()
        self.optimisers["model"].step()
        return terms

    def batch(self, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
        """Pictures, tokens, lengths, answers, sounds of a step; they follow from (seed, step, rank) alone."""
        epoch, at = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.train.of_picture))
        start = (at * self.place.world + self.place.rank) * self.pictures_per_step
        chosen = np.sort(order[start : start + self.pictures_per_step])
        rngs = [np.random.default_rng([self.seed, epoch, int(index)]) for index in chosen]
        asked = torch.tensor([q for index, rng in zip(chosen, rngs) for q in self._questions(index, rng)])
        lengths = self.train.lengths[asked]
        tokens = self.train.tokens[asked, : int(lengths.max())]
        pictures = torch.from_numpy(self.train.pictures[chosen].astype(np.float32))
        sounds = self.train.sounds[chosen].clone() if self.train.sounds is not None else None
        if sounds is not None:
            for picture, row, rng in zip(pictures, sounds, rngs):
                self._augment(picture, row, rng)
        return pictures, tokens, lengths, self.train.answers[asked], sounds

    def _questions(self, index: int, rng: np.random.Generator) -> list[int]:
        """Of one picture, drawn without repetition where there are enough."""
        known, count = self.train.of_picture[index], self.settings.questions_per_picture
        return [known[i] for i in rng.choice(len(known), count, replace=count > len(known))]

    def _augment(self, picture: Tensor, sounds: Tensor, rng: np.random.Generator) -> None:
        """Shift a picture [H, W, 1] in time, with its sounds' columns, and tilt its spectrum, in place."""
        inside = sounds[:, 0] >= 0
        first, most = int(sounds[inside, 0].min()), self.settings.shift
        filled = int(picture.amax((0, 2)).nonzero().max()) + 1
        shift = int(rng.integers(-min(first, most), min(picture.shape[1] - filled, most) + 1))
        picture[:] = picture.roll(shift, 1)
        sounds[inside, 0] += shift
        line = torch.linspace(-1, 1, len(picture))[:, None, None] * float(rng.uniform(-1, 1)) * self.settings.tilt
        picture[:] = torch.where(picture > 0, picture + line, 0).clamp_min(0)

    def validate(self) -> dict[str, float]:
        """Share of wrong answers, cross-entropy, and accuracy by question type."""
        result = answer_all(self.model, self.validation, self.settings.validation_pictures)
        return {
            "error": 1 - result.accuracy, "loss": result.loss,
            **{f"accuracy_{kind}": value for kind, value in result.by_type.items()},
        }

    def sounds(self) -> dict[str, tuple[Tensor, int]]:
        return {}

    def export(self, folder) -> None:
        self.model.save_pretrained(folder)


@dataclass(frozen=True)
class Score:
    """How well questions are answered."""

    accuracy: float
    loss: float
    by_type: dict[str, float]
    right: Tensor
    """Bool, a question each."""


@torch.no_grad()
def answer_all(model: QuestionModel, data: Examples, pictures: int | None = None) -> Score:
    """Answer the questions about the first `pictures` pictures, or all."""
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
