"""Question training: cross-entropy over answers."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio import ranges
from vqaudio.questions.examples import Examples, answer_all
from vqaudio.questions.film import POINTERS, QuestionModel
from vqaudio.questions.grammar import VALUES
from vqaudio.training.loop import Worker


@dataclass(frozen=True)
class QuestionTraining:
    """Batches and losses of question training."""

    epochs: Annotated[int, ranges.Range(1, 100_000)] = 100
    batch_size: ranges.BatchSize = 64
    """Questions per step."""
    questions_per_picture: Annotated[int, ranges.Range(1, 1024)] = 1
    """Random questions for every picture in every epoch; they share the extractor's features."""
    learning_rate: ranges.LearningRate = 3e-4
    sound_labels: ranges.Weight = 0.0
    """Weight of a second loss, for sound scenes: a linear layer, not part of the model, predicts from each column of the features
    the attributes of the sound that starts in it."""
    program_labels: ranges.Weight = 0.0
    """Weight of a third loss, for sound scenes: the columns of the last block's output predict which sounds the program's last
    step is about, and which sound its relation starts from. The classifier's pointers are what predicts, if it has them."""
    shift: Annotated[int, ranges.Range(0, 4096)] = 0
    """For sound: the most columns by which pictures are shifted in time."""
    tilt: Annotated[float, ranges.Range(0, 10)] = 0.0
    """For sound: the most that a random straight line over the bands adds at their ends; 0.1 is 8 dB."""
    validation_pictures: ranges.Count = 250
    """Pictures of the validation part in each validation."""


@dataclass(frozen=True)
class Batch:
    """Pictures [B, H, W, C] and B * n questions, n in a row per picture."""

    pictures: Tensor
    tokens: Tensor
    lengths: Tensor
    answers: Tensor
    sounds: Tensor | None = None
    selected: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(part if part is None else part.to(device) for part in vars(self).values()))


class QuestionObjective(nn.Module):
    """The question model's loss, as a module for DDP."""

    def __init__(self, model: QuestionModel, settings: QuestionTraining):
        super().__init__()
        self.model, self.settings = model, settings
        c, outputs = model.config, sum(len(values) for values in VALUES.values())
        self.sounds = nn.Conv1d(c.extractor_channels[-1], 1 + outputs, 1) if settings.sound_labels else None
        predicts = settings.program_labels and model.classifier.pointers is None
        self.programs = nn.Conv2d(c.channels, POINTERS, 1) if predicts else None

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss and its terms."""
        features = self.model.features(batch.pictures)
        each = len(batch.tokens) // len(features)
        repeated = features.repeat_interleave(each, 0)
        blocks = self.model.condition(repeated, batch.tokens, batch.lengths)
        logits = self.model.classify(blocks, repeated)
        loss = answer_loss = F.cross_entropy(logits, batch.answers)
        terms = {"loss": answer_loss, "accuracy": (logits.argmax(-1) == batch.answers).float().mean()}
        if batch.sounds is not None:
            columns, picture, inside = _columns(batch.sounds, features.shape[-1], batch.pictures.shape[2])
            if self.sounds is not None:
                terms["sounds"] = _sound_loss(self.sounds(features.mean(-2)), batch.sounds[inside][:, 1:], picture, columns)
                loss = loss + self.settings.sound_labels * terms["sounds"]
            if self.settings.program_labels:
                selected = self.model.pointers(blocks) if self.programs is None else self.programs(blocks)
                cells = selected.mean(-2).unflatten(0, (-1, each))[picture, :, :, columns]
                wanted = batch.selected.unflatten(0, (-1, each)).movedim(-1, 1)[inside]
                terms["programs"] = F.binary_cross_entropy_with_logits(cells, wanted.float())
                loss = loss + self.settings.program_labels * terms["programs"]
        return loss, terms


def _columns(sounds: Tensor, columns: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """For all sounds of a batch: the features' start column, the picture's number, and bool [B, 10]: which exist."""
    inside = sounds[..., 0] >= 0
    return (sounds[..., 0] * columns // width)[inside], torch.nonzero(inside)[:, 0], inside


def _sound_loss(logits: Tensor, attributes: Tensor, picture: Tensor, columns: Tensor) -> Tensor:
    """Logits [B, 1 + outputs, columns], attributes [sounds, 5]: whether a sound starts in a column, and which one."""
    starts = torch.zeros_like(logits[:, 0])
    starts[picture, columns] = 1.0
    loss = F.binary_cross_entropy_with_logits(logits[:, 0], starts)
    parts = logits[picture, 1:, columns].split([len(values) for values in VALUES.values()], -1)
    for part, wanted in zip(parts, attributes.T):
        loss = loss + F.cross_entropy(part, wanted)
    return loss


class QuestionTask:
    """Train a question model; see `training.loop.Task`."""

    def __init__(
        self, model: QuestionModel, settings: QuestionTraining, train: Examples, validation: Examples, seed: int, worker: Worker
    ):
        self.model, self.settings, self.train, self.validation = model, settings, train, validation
        self.seed, self.worker = seed, worker
        self.objective = worker.wrap(QuestionObjective(model, settings))
        self.modules = {"model": model}
        heads = {"sounds": self._plain.sounds, "programs": self._plain.programs}
        self.modules |= {name: head for name, head in heads.items() if head is not None}
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
        """Steps in an epoch of every picture; drops an incomplete batch."""
        return max(1, len(self.train.of_picture) // (self.pictures_per_step * self.worker.world))

    def train_step(self, step: int) -> dict[str, Tensor]:
        self.objective.train()
        loss, terms = self.objective(self.batch(step).to(self.worker.device))
        self.optimisers["model"].zero_grad(set_to_none=True)
        loss.backward()
        self.optimisers["model"].step()
        return terms

    def batch(self, step: int) -> Batch:
        """Return the batch of a step; it depends only on (seed, step, rank)."""
        epoch, at = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.train.of_picture))
        start = (at * self.worker.world + self.worker.rank) * self.pictures_per_step
        chosen = np.sort(order[start : start + self.pictures_per_step])
        rngs = [np.random.default_rng([self.seed, epoch, int(index)]) for index in chosen]
        asked = torch.tensor([q for index, rng in zip(chosen, rngs) for q in self._questions(index, rng)])
        lengths = self.train.lengths[asked]
        tokens = self.train.tokens[asked, : int(lengths.max())]
        pictures = torch.from_numpy(self.train.pictures[chosen].astype(np.float32))
        sounds = self.train.sounds[chosen].clone() if self.train.sounds is not None else None
        if sounds is not None and (self.settings.shift or self.settings.tilt):
            for picture, row, rng in zip(pictures, sounds, rngs):
                self._augment(picture, row, rng)
        selected = self.train.selected[asked] if self.train.selected is not None else None
        return Batch(pictures, tokens, lengths, self.train.answers[asked], sounds, selected)

    def _questions(self, index: int, rng: np.random.Generator) -> list[int]:
        """Random questions about one picture, without repetition where there are enough."""
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
        """Compute the error rate, cross-entropy, and accuracy by question type."""
        result = answer_all(self.model, self.validation, self.settings.validation_pictures)
        return {
            "error": 1 - result.accuracy, "loss": result.loss,
            **{f"accuracy_{kind}": value for kind, value in result.by_type.items()},
        }

    def sounds(self) -> dict[str, tuple[Tensor, int]]:
        return {}

    def export(self, folder) -> None:
        self.model.save_pretrained(folder)
