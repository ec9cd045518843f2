"""Padded batches of clips, each a pure function of the step.

A resumed run therefore sees the batches that it would have seen.
"""

import functools
import itertools
import math
import random
from dataclasses import dataclass, replace
from typing import Annotated

import torch
import torchaudio
from torch import Tensor

from vqaudio import ranges
from vqaudio.audio import active_level_db
from vqaudio.data.clips import Clip, Split, crop_timed_labels
from vqaudio.data.seeds import python_random, torch_generator
from vqaudio.errors import InputError
from vqaudio.timed_labels import TimedLabel


@dataclass
class Batch:
    """A batch of clips.

    Attributes:
        audio: [B, 1, N], zero after each clip's length; N is a multiple of `multiple`.
        lengths: [B] samples.
        labels: for each kind of label, [B] of `Split.label_index`.
        names: the clips' names.
        timed_labels: of each row, in seconds from its start.
    """

    audio: Tensor
    lengths: Tensor
    labels: dict[str, Tensor]
    names: list[str]
    timed_labels: list[tuple[TimedLabel, ...]]


def pad(clips: list[Tensor], multiple: int = 1) -> tuple[Tensor, Tensor]:
    """Pad clips [n] of different lengths with zeros: audio [B, 1, N], lengths [B]."""
    lengths = torch.tensor([len(clip) for clip in clips])
    audio = torch.zeros(len(clips), 1, -(-int(lengths.max()) // multiple) * multiple)
    for row, clip in zip(audio, clips):
        row[0, : len(clip)] = clip
    return audio, lengths


def in_order(split: Split, batch_size: int, multiple: int = 1):
    """Yield every clip once in batches sorted by length, to save padding."""
    order = sorted(range(len(split)), key=lambda i: len(split.clips[i].audio))
    for start in range(0, len(order), batch_size):
        chosen = [split.clips[i] for i in order[start : start + batch_size]]
        yield _batch(split, chosen, [clip.audio for clip in chosen], multiple)


@dataclass(frozen=True)
class Augmentation:
    """Random changes to the training clips."""

    speeds: Annotated[tuple[ranges.Speed, ...], ranges.Items(1, 64)] = (0.88, 0.94, 1.0, 1.0, 1.06, 1.12)
    """Factors of the playback speed to choose from; pitch and formants move with it."""
    gain_db: Annotated[float, ranges.Range(0, 60)] = 3.0
    """Gain change in dB, up or down, after level normalisation."""
    polarity: bool = True
    """Invert the polarity of half of the clips."""
    noise: ranges.Share = 0.0
    """Share of crops with added noise of a random colour, 10 to 40 dB below the crop."""
    reverberation: ranges.Share = 0.0
    """Share of crops with added reverberation: noise that decays by 60 dB in 0.1 to 0.5 s, after the direct sound."""
    band_limits: ranges.Share = 0.0
    """Share of crops that pass a random band-pass filter: lower edge up to 300 Hz, upper edge from 3.4 kHz."""


class TrainingBatches:
    """Random crops of random clips.

    Args:
        split: the clips.
        batch_size: clips a batch, over all processes.
        crop: the longest crop in samples; a shorter clip is used whole.
        seed: determines the whole sequence of batches.
        augmentation: random changes, or None.
        level_db: active level in dBFS to normalise every clip to, or None.
        rank, world: this process takes items rank, rank + world, ... of a batch.

    Raises:
        InputError: the batch size is not a multiple of `world`.
    """

    def __init__(
        self, split: Split, batch_size: int, crop: int, seed: int, augmentation: Augmentation | None,
        level_db: float | None = None, rank: int = 0, world: int = 1,
    ):
        if batch_size % world:
            raise InputError(f"The batch size {batch_size} is not a multiple of the {world} processes.")
        self.split, self.batch_size, self.crop, self.seed = split, batch_size, crop, seed
        self.augmentation, self.rank, self.world = augmentation, rank, world
        self.audio = [at_level(clip.audio, level_db, split.sample_rate) for clip in split.clips]

    def batch(self, step: int) -> Batch:
        """Return the batch of this step: audio [B, 1, crop]."""
        chosen = [self._index(step * self.batch_size + i) for i in range(self.rank, self.batch_size, self.world)]
        crops, clips = [], []
        for i, index in enumerate(chosen):
            crop, start, speed = self._crop(index, python_random(self.seed, step, self.rank + i * self.world))
            clip, rate = self._metadata(index), self.split.sample_rate
            crops.append(crop)
            clips.append(replace(clip, timed_labels=crop_timed_labels(clip.timed_labels, start / rate, len(crop) / rate, speed)))
        audio, lengths = pad(crops, self.crop)
        return _with_labels(self.split, clips, audio, lengths)

    def _metadata(self, index: int) -> Clip:
        """The clip's name and labels."""
        return self.split.clips[index]

    def _index(self, position: int) -> int:
        """The clip at this position of the endless sequence of shuffled epochs."""
        epoch, offset = divmod(position, len(self.split))
        if epoch != getattr(self, "_epoch", None):
            order = torch.randperm(len(self.split), generator=torch_generator(self.seed, epoch))
            self._epoch, self._order = epoch, order.tolist()
        return self._order[offset]

    def _crop(self, index: int, chance: random.Random) -> tuple[Tensor, int, float]:
        """A random crop [n], the sample where it starts, and its playback speed."""
        audio, a = self.audio[index], self.augmentation
        speed = chance.choice(a.speeds) if a else 1.0
        wanted = math.ceil(self.crop * speed)
        start = chance.randrange(max(1, len(audio) - wanted + 1))
        crop = _at_speed(audio[start : start + wanted], speed)[: self.crop]
        return augmented(crop, a, self.split.sample_rate, chance) if a else crop, start, speed


def at_level(audio: Tensor, level_db: float | None, sample_rate: int) -> Tensor:
    """Bring a clip [N] to an active level in dBFS; None leaves it as it is."""
    if level_db is None:
        return audio
    level = active_level_db(audio[None, None], torch.tensor([len(audio)]), sample_rate)
    return audio * 10 ** ((level_db - level) / 20)


class PrefetchedBatches(torch.utils.data.Dataset):
    """The same batches, prepared ahead by worker processes so that a GPU never waits."""

    def __init__(self, batches: TrainingBatches, workers: int):
        self.batches, self.workers = batches, workers
        self._next, self._made = None, None

    def batch(self, step: int) -> Batch:
        """Return the batch of this step; fast for consecutive steps."""
        if step != self._next:
            self._made = None  # stop its processes before starting others
            steps, chance = itertools.count(step), torch.Generator()  # leaves the global random state alone
            loader = torch.utils.data.DataLoader(
                self, batch_size=None, sampler=steps, num_workers=self.workers, generator=chance
            )
            self._made = iter(loader)
        self._next = step + 1
        made = next(self._made)
        if isinstance(made, InputError):
            raise made
        return made

    def __getitem__(self, step: int) -> Batch | InputError:
        try:
            return self.batches.batch(step)
        except InputError as error:  # raised in the worker, it would arrive as a traceback
            return error


def training_batches(split: Split, *settings, **more) -> TrainingBatches:
    """Batch a split's clips: `TrainingBatches`, or the kind that its clips define."""
    return getattr(split.clips, "batches", TrainingBatches)(split, *settings, **more)


@functools.cache
def _resampler(percent: int) -> torchaudio.transforms.Resample:
    return torchaudio.transforms.Resample(percent, 100)


def _at_speed(audio: Tensor, speed: float) -> Tensor:
    return audio if speed == 1.0 else _resampler(round(100 * speed))(audio)


def augmented(audio: Tensor, a: Augmentation, sample_rate: int, chance: random.Random) -> Tensor:
    """Augment a crop [n]: random gain, polarity, reverberation, band and noise."""
    generator = torch.Generator().manual_seed(chance.getrandbits(62))
    if chance.random() < a.reverberation:
        audio = _in_a_room(audio, sample_rate, chance, generator)
    if chance.random() < a.band_limits:
        audio = _through_a_band(audio, sample_rate, chance)
    if chance.random() < a.noise:
        audio = _with_noise(audio, chance, generator)
    return audio * 10 ** (chance.uniform(-a.gain_db, a.gain_db) / 20) * (chance.choice((1, -1)) if a.polarity else 1)


def _in_a_room(audio: Tensor, sample_rate: int, chance: random.Random, generator: torch.Generator) -> Tensor:
    decay_s, level = chance.uniform(0.1, 0.5), chance.uniform(0.1, 0.6)
    t = torch.arange(round(decay_s * sample_rate)) / sample_rate
    tail = torch.randn(len(t), generator=generator) * torch.exp(-6.9 * t / decay_s)
    room = torch.cat([torch.ones(1), level * tail / tail.norm()])
    return torchaudio.functional.fftconvolve(audio, room)[: len(audio)]


def _through_a_band(audio: Tensor, sample_rate: int, chance: random.Random) -> Tensor:
    spectrum = torch.fft.rfft(audio)
    hz = torch.linspace(0, sample_rate / 2, len(spectrum))
    low, high = chance.uniform(0, 300), chance.uniform(3400, sample_rate / 2)
    passed = torch.sigmoid((hz - low) / 20) * torch.sigmoid((high - hz) / 100)
    return torch.fft.irfft(spectrum * passed, n=len(audio))


def _with_noise(audio: Tensor, chance: random.Random, generator: torch.Generator) -> Tensor:
    spectrum = torch.fft.rfft(torch.randn(len(audio), generator=generator))
    colour = torch.arange(1, len(spectrum) + 1) ** -chance.uniform(0, 1)  # white to brown
    noise = torch.fft.irfft(spectrum * colour, n=len(audio))
    return audio + noise * audio.norm() / noise.norm().clamp_min(1e-9) * 10 ** (-chance.uniform(10, 40) / 20)


def _batch(split: Split, clips, audio: list[Tensor], multiple: int) -> Batch:
    return _with_labels(split, clips, *pad(audio, multiple))


def _with_labels(split: Split, clips, audio: Tensor, lengths: Tensor) -> Batch:
    labels = {kind: torch.tensor([split.label_index(clip, kind) for clip in clips]) for kind in split.labels}
    return Batch(audio, lengths, labels, [clip.name for clip in clips], [clip.timed_labels for clip in clips])
