"""Prior training, for most priors by the likelihood of the clips' codes."""

import copy
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor, nn

from vqaudio import ranges
from vqaudio.codec import Codec
from vqaudio.codes import CodeSpec
from vqaudio.data.clips import Split, crop_timed_labels
from vqaudio.data.encoded import CACHE, EncodedSplit, encoded, played
from vqaudio.data.seeds import python_random
from vqaudio.errors import InputError
from vqaudio.prior import Prior, PriorConfig
from vqaudio.priors.diffusion import axes_needed
from vqaudio.training.codec_task import reduced_precision
from vqaudio.training.gradients import gradient_norms
from vqaudio.training.loop import Worker

NATS_PER_BIT = 0.6931471805599453


@dataclass(frozen=True)
class PriorTraining:
    """Batches and augmentation of prior training."""

    batch_size: ranges.BatchSize = 64
    """Clips per step, over all processes."""
    learning_rate: ranges.LearningRate = 1e-3
    weight_decay: ranges.Weight = 0.05
    shifts: Annotated[tuple[Annotated[int, ranges.Range(0, 10_000_000)], ...], ranges.Items(1, 64)] = (0, 40, 80, 120)
    """Variants of each training clip: samples to cut off its start, for the same sound in other columns."""
    speeds: Annotated[tuple[ranges.Speed, ...], ranges.Items(1, 64)] = (1.0, 0.97, 1.03)
    """Variants: playback speeds."""
    semitones: Annotated[tuple[Annotated[int, ranges.Range(-48, 48)], ...], ranges.Items(1, 64)] = (0,)
    """Variants: semitones to transpose by, the label `pitch` with it; a note that would leave the labels' range stays."""
    rooms: Annotated[int, ranges.Range(0, 64)] = 0
    """Variants, otherwise unchanged, with a random room, band and noise each: for recordings from anywhere."""
    crop_s: ranges.CropSeconds | None = None
    """Length in seconds of the random crop of a clip in a step; None for the whole clip."""
    splice: ranges.Share = 0.0
    """Share of the clips of a batch in which a rectangle of time and bands comes from another clip, with its labels: so a prior
    learns that labels may differ from cell to cell."""
    average: Annotated[float, ranges.Range(0, 0.99999)] = 0.0
    """Decay of a moving average of the weights over the steps, which is validated and kept; 0 for the weights themselves."""
    precision: ranges.Precision = "auto"
    """Precision of matrix products in training: bfloat16, float32, or auto for the faster one here."""


class PriorBatches:
    """Batches of clips of similar length, each in a random variant.

    Args:
        variants: the same clips, encoded in different ways.
        batch_size: clips a batch, over all processes.
        seed: determines the whole sequence of batches.
        rank, world: this process takes items rank, rank + world, ... of a batch.
        crop: columns of a random crop; None for whole clips.

    Raises:
        InputError: the batch size is not a multiple of `world`.
    """

    def __init__(
        self, variants: list[EncodedSplit], batch_size: int, seed: int, rank: int = 0, world: int = 1, crop: int | None = None
    ):
        if batch_size % world:
            raise InputError(f"The batch size {batch_size} is not a multiple of the {world} processes.")
        self.variants, self.seed, self.rank, self.world, self.crop = variants, seed, rank, world, crop
        self.batch_size = batch_size if batch_size <= len(variants[0]) else max(world, len(variants[0]) // world * world)
        self.epoch, self.order = -1, []

    @property
    def per_epoch(self) -> int:
        return len(self.variants[0]) // self.batch_size

    def batch(self, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return `EncodedSplit.batch` of this step, and columns cut at each end [B, 2]."""
        epoch, position = divmod(step, self.per_epoch)
        if epoch != self.epoch:
            self.epoch, self.order = epoch, self._epoch_order(python_random(self.seed, epoch))
        chance = python_random(self.seed, step, -1)
        variant = chance.choice(self.variants)
        chosen = self.order[position]
        starts = [chance.random() for _ in chosen]
        mine = slice(self.rank, None, self.world)
        return self._cropped(*variant.batch(chosen[mine]), torch.tensor(starts[mine]))

    def _cropped(self, ids: Tensor, valid: Tensor, labels: Tensor, starts: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Crop each clip; `starts` [B] in [0, 1) chooses among the possible positions."""
        columns = valid.sum(-1)
        kept = columns.clamp_max(self.crop or ids.shape[2])
        first = (starts * (columns - kept + 1)).long()
        at = torch.arange(int(kept.max()))
        valid = at < kept[:, None]
        ids = ids.gather(2, (first[:, None] + at).clamp_max(ids.shape[2] - 1)[:, None].expand(-1, ids.shape[1], -1))
        return ids * valid[:, None], valid, labels, torch.stack([first, columns - kept - first], 1)

    def _epoch_order(self, chance: random.Random) -> list[list[int]]:
        """Clips in shuffled batches of similar length, to save padding."""
        lengths = [min(ids.shape[1], self.crop or ids.shape[1]) for ids in self.variants[0].ids]
        columns = [length * chance.uniform(0.8, 1.25) for length in lengths]
        order = sorted(range(len(columns)), key=columns.__getitem__)
        spare = chance.randrange(len(order) % self.batch_size + 1)
        batches = [order[spare + i * self.batch_size :][: self.batch_size] for i in range(self.per_epoch)]
        chance.shuffle(batches)
        return batches


def spliced(ids: Tensor, valid: Tensor, labels: Tensor, share: float, spec: CodeSpec) -> tuple[Tensor, Tensor]:
    """Replace a rectangle of cells, for a share of clips, by the next clip's cells.

    Half of the rectangles cover all bands.

    Args:
        ids: [B, K, T].
        valid: [B, T].
        labels: [B, kinds].
        share: of the clips, 0 to 1.
        spec: the codes' stages.

    Returns:
        ids [B, K, T], and each cell's labels [B, kinds, K, T].
    """
    batch, _, columns = ids.shape
    edges = torch.rand(2, batch, 1, device=ids.device).sort(0).values * valid.sum(-1, keepdim=True)
    time = torch.arange(columns, device=ids.device)
    low, high = torch.rand(2, batch, 1, device=ids.device).sort(0).values
    whole = torch.rand(batch, 1, device=ids.device) < 0.5
    bands = [(band + 0.5) / s.bands for s in spec.stages for band in range(s.bands) for _ in range(s.steps)]
    height = torch.tensor(bands, device=ids.device)
    here = ((time >= edges[0]) & (time < edges[1]))[:, None] & (whole | (height >= low) & (height <= high))[:, :, None]
    here &= (valid & valid.roll(1, 0))[:, None] & (torch.rand(batch, 1, 1, device=ids.device) < share)
    each = labels[:, :, None, None].expand(-1, -1, *ids.shape[1:])
    return torch.where(here, ids.roll(1, 0), ids), torch.where(here[:, None], each.roll(1, 0), each)


class PriorObjective(nn.Module):
    """The prior's loss, as a module for DDP."""

    def __init__(self, prior: Prior, precision: str, splice: float = 0.0):
        super().__init__()
        self.prior, self.precision, self.splice = prior, precision, splice

    def forward(self, ids: Tensor, valid: Tensor, labels: Tensor, cut: Tensor) -> Tensor:
        """Return the loss in nats per cell."""
        if self.splice:
            ids, labels = spliced(ids, valid, labels, self.splice, self.prior.spec)
        with reduced_precision(self.precision, ids.device):
            return self.prior.loss(ids, valid, labels, cut)


class PriorTask:
    """Train a prior; see `training.loop.Task`."""

    def __init__(
        self, prior: Prior, settings: PriorTraining, train: list[EncodedSplit], validation: EncodedSplit, seed: int,
        worker: Worker,
    ):
        self.prior, self.settings, self.validation, self.worker = prior, settings, validation, worker
        self.counts = hasattr(prior, "count")
        share = (0, 1) if self.counts else (worker.rank, worker.world)  # each process of a counting prior counts all clips
        crop = None if self.counts or settings.crop_s is None else max(1, round(settings.crop_s * prior.spec.frame_rate))
        self.batches = PriorBatches(train, settings.batch_size, seed, *share, crop)
        prior.remember(train[0].lengths, train[0].labels, train[0].levels_db)
        self.modules, self.optimisers, self.learning_rates = {"prior": prior.to(worker.device)}, {}, {}
        self.kept = prior  # what is validated and exported
        if settings.average and not self.counts:
            self.kept = self.modules["average"] = copy.deepcopy(prior).requires_grad_(False)
        self.score, self.unit = ("loss", 1.0) if prior.likelihood == "none" else ("bits", NATS_PER_BIT)
        if not self.counts:
            self.objective = worker.wrap(PriorObjective(prior, settings.precision, settings.splice))
            decayed = [p for p in prior.parameters() if p.ndim >= 2]
            others = [p for p in prior.parameters() if p.ndim < 2]
            groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
            self.optimisers["prior"] = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=settings.weight_decay)
            self.learning_rates["prior"] = settings.learning_rate

    def train_step(self, step: int) -> dict[str, Tensor]:
        batch = [part.to(self.worker.device) for part in self.batches.batch(step)]
        if self.counts:
            self.prior.count(*batch[:3])
            return {"clips": torch.tensor(float(len(batch[0])))}
        self.prior.train()
        loss = self.objective(*batch)
        self.optimisers["prior"].zero_grad(set_to_none=True)
        loss.backward()
        parts = gradient_norms(self.prior)
        norm = nn.utils.clip_grad_norm_(self.prior.parameters(), 1.0)
        self.optimisers["prior"].step()
        if self.kept is not self.prior:
            self._average(step)
        return {self.score: loss / self.unit, "gradient_norm": norm, **parts}

    @torch.no_grad()
    def _average(self, step: int) -> None:
        """Move the average towards the new weights, faster in the first steps."""
        share = 1 - min(self.settings.average, (1 + step) / (10 + step))
        for average, new in zip(self.kept.parameters(), self.prior.parameters()):
            average.lerp_(new, share)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Compute the loss on the validation clips; masks are fixed.

        It is in bits per cell if the prior has a likelihood.
        """
        self.kept.eval()
        order = sorted(range(len(self.validation)), key=lambda i: self.validation.ids[i].shape[1])
        total = cells = 0.0
        with torch.random.fork_rng():
            torch.manual_seed(0)
            for start in range(0, len(order), 50):
                ids, valid, labels = self.validation.batch(order[start : start + 50])
                n = int(valid.sum()) * ids.shape[1]
                total += n * float(self.kept.loss(*(part.to(self.worker.device) for part in (ids, valid, labels))))
                cells += n
        return {self.score: total / cells / self.unit}

    def sounds(self) -> dict[str, tuple[Tensor, int]]:
        return {}

    def export(self, folder: Path) -> None:
        self.kept.save_pretrained(folder)


def config_for(config: PriorConfig, codec: Codec, codec_name: str, train: Split) -> PriorConfig:
    """Complete a recipe's configuration with what follows from the codec and the data."""
    return replace(
        config, codec_name=codec_name, codec_fingerprint=codec.encoder_fingerprint,
        stages=tuple((stage.bands, stage.steps, stage.vocab) for stage in codec.spec.stages), frame_rate=codec.spec.frame_rate,
        hop=codec.hop, label_kinds=tuple(train.labels), label_values=tuple(train.labels.values()), n_examples=len(train),
        has_level=codec.reference_level_db is not None,
        **({"latent_dim": axes_needed(codec.spec, codewords(codec))} if hasattr(config, "latent_dim") else {}),
    )


def variants(codec: Codec, train: Split, settings: PriorTraining, cache: Path = CACHE) -> list[EncodedSplit]:
    """Encode the training clips in every variant, the plain ones first."""
    pairs = [(shift, speed) for shift in settings.shifts for speed in settings.speeds]
    chosen = sorted(pairs, key=lambda pair: pair != (0, 1.0))
    splits = [transposed(train, n) for n in sorted(settings.semitones, key=abs)]
    moved = [encoded(codec, split, "train", shift, speed, cache) for split in splits for shift, speed in chosen]
    return moved + [encoded(codec, train, "train", cache=cache, room=n + 1) for n in range(settings.rooms)]


def transposed(split: Split, semitones: int) -> Split:
    """Transpose notes and their label `pitch`; those that would leave its range stay.

    Raises:
        InputError: the split has no label `pitch`.
    """
    if not semitones:
        return split
    if "pitch" not in split.labels:
        raise InputError("Only notes with the label pitch can be transposed.")
    clips = []
    for clip in split.clips:
        pitch = str(int(clip.labels["pitch"]) + semitones)
        if pitch in split.labels["pitch"]:
            speed = round(2 ** (semitones / 12), 2)  # the precision of `played`
            audio = played(clip.audio, speed)
            timed = crop_timed_labels(clip.timed_labels, 0.0, len(audio) / split.sample_rate, speed)
            clip = replace(clip, audio=audio, labels=clip.labels | {"pitch": pitch}, timed_labels=timed)
        clips.append(clip)
    return replace(split, clips=tuple(clips))


@torch.no_grad()
def codewords(codec: Codec) -> list[Tensor]:
    """Return the codewords [V, D] of each row of the codec's codes."""
    words = [codec.codewords(j).cpu() for j in range(len(codec.spec.stages))]
    return [words[j] for j in codec.spec.stage_of_row]
