"""Padded, masked batches of any dataset's clips, each a pure function of the step: a resumed run sees what it would have seen."""

import random
from dataclasses import dataclass

import torch
import torchaudio
from torch import Tensor

from vqaudio.audio import active_level_db
from vqaudio.data.clips import Split
from vqaudio.errors import InputError


@dataclass
class Batch:
    """Clips of one batch.

    Attributes:
        audio: [B, 1, N] zero behind each clip's length; N is a multiple of `multiple`.
        lengths: [B] samples.
        labels: for each kind of label, [B] positions in the dataset's list of values.
        names: of the clips.
    """

    audio: Tensor
    lengths: Tensor
    labels: dict[str, Tensor]
    names: list[str]


def pad(clips: list[Tensor], multiple: int = 1) -> tuple[Tensor, Tensor]:
    """Clips [n] of different lengths -> audio [B, 1, N] padded with zeros, and lengths [B]."""
    lengths = torch.tensor([len(clip) for clip in clips])
    audio = torch.zeros(len(clips), 1, -(-int(lengths.max()) // multiple) * multiple)
    for row, clip in zip(audio, clips):
        row[0, : len(clip)] = clip
    return audio, lengths


def in_order(split: Split, batch_size: int, multiple: int = 1):
    """Every clip once, sorted by length so that little is padding; yields `Batch`. For evaluation."""
    order = sorted(range(len(split)), key=lambda i: len(split.clips[i].audio))
    for start in range(0, len(order), batch_size):
        chosen = [split.clips[i] for i in order[start : start + batch_size]]
        yield _batch(split, chosen, [clip.audio for clip in chosen], multiple)


@dataclass(frozen=True)
class Augmentation:
    """What training changes in a clip, at random."""

    speeds: tuple[float, ...] = (0.88, 0.94, 1.0, 1.0, 1.06, 1.12)
    """Played so many times as fast: pitch and formants move with it."""
    gain_db: float = 3.0
    """Up to so many dB louder or softer, after the level is normalised."""
    polarity: bool = True
    """Half of the clips are turned upside down."""


class TrainingBatches:
    """Random crops of random clips.

    Args:
        split: the clips.
        batch_size: of all processes together.
        crop: samples of a crop at the most; a shorter clip is taken whole.
        seed: the whole sequence of batches follows from it.
        level_db: the active level that every clip is brought to, or None.
        rank, world: this process's share of a batch is its items rank, rank + world, ...
    """

    def __init__(
        self, split: Split, batch_size: int, crop: int, seed: int, augmentation: Augmentation | None,
        level_db: float | None = None, rank: int = 0, world: int = 1,
    ):
        if batch_size % world:
            raise InputError(f"The batch size {batch_size} is not a multiple of the {world} processes.")
        self.split, self.batch_size, self.crop, self.seed = split, batch_size, crop, seed
        self.augmentation, self.rank, self.world = augmentation, rank, world
        self.audio = [self._normalised(clip.audio, level_db) for clip in split.clips]
        self._resampled: dict[tuple[int, float], Tensor] = {}

    def batch(self, step: int) -> Batch:
        """The batch of this step: audio [B, 1, crop]."""
        chosen = [self._index(step * self.batch_size + i) for i in range(self.rank, self.batch_size, self.world)]
        crops = []
        for i, index in enumerate(chosen):
            crops.append(self._crop(index, random.Random(hash((self.seed, step, self.rank + i * self.world)))))
        audio, lengths = pad(crops, self.crop)
        return _with_labels(self.split, [self.split.clips[i] for i in chosen], audio, lengths)

    def _index(self, position: int) -> int:
        """Which clip stands at this position of the endless sequence of shuffled epochs."""
        epoch, place = divmod(position, len(self.split))
        if epoch != getattr(self, "_epoch", None):
            generator = torch.Generator().manual_seed(hash((self.seed, epoch)) % 2**63)
            self._epoch, self._order = epoch, torch.randperm(len(self.split), generator=generator).tolist()
        return self._order[place]

    def _crop(self, index: int, chance: random.Random) -> Tensor:
        audio, a, gain = self.audio[index], self.augmentation, 1.0
        if a:
            audio = self._at_speed(index, chance.choice(a.speeds))
            gain = 10 ** (chance.uniform(-a.gain_db, a.gain_db) / 20) * (chance.choice((1, -1)) if a.polarity else 1)
        start = chance.randrange(max(1, len(audio) - self.crop + 1))
        return audio[start : start + self.crop] * gain

    def _at_speed(self, index: int, speed: float) -> Tensor:
        if speed == 1.0:
            return self.audio[index]
        if (index, speed) not in self._resampled:
            self._resampled[index, speed] = torchaudio.functional.resample(self.audio[index], round(100 * speed), 100)
        return self._resampled[index, speed]

    def _normalised(self, audio: Tensor, level_db: float | None) -> Tensor:
        if level_db is None:
            return audio
        level = active_level_db(audio[None, None], torch.tensor([len(audio)]), self.split.sample_rate)
        return audio * 10 ** ((level_db - level) / 20)


def _batch(split: Split, clips, audio: list[Tensor], multiple: int) -> Batch:
    return _with_labels(split, clips, *pad(audio, multiple))


def _with_labels(split: Split, clips, audio: Tensor, lengths: Tensor) -> Batch:
    labels = {
        kind: torch.tensor([values.index(clip.labels[kind]) for clip in clips]) for kind, values in split.labels.items()
    }
    return Batch(audio, lengths, labels, [clip.name for clip in clips])
