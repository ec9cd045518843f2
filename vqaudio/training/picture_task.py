"""Spectrogram codec training: losses on the picture alone, without making sound."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vqaudio import ranges
from vqaudio.codecs.spectrogram import SpectrogramCodec
from vqaudio.data.batches import Augmentation
from vqaudio.data.clips import Split
from vqaudio.training.codec_task import CodecTask, CodecTrainingBase, reduced_precision
from vqaudio.training.loop import Worker

STARTING_BATCHES = 40  # for the principal components that a new codec starts from


@dataclass(frozen=True)
class PictureTraining(CodecTrainingBase):
    """Batches and loss weights of spectrogram codec training.

    The picture's loss, in powers of ten, has weight 1.
    """

    batch_size: ranges.BatchSize = 10
    crop_s: ranges.CropSeconds = 1.024
    learning_rate: ranges.LearningRate = 1.2e-3
    prefix_share: ranges.Share = 0.25
    precision: ranges.Precision = "float32"
    augmentation: Augmentation = field(
        default_factory=lambda: Augmentation(speeds=(0.89, 0.94, 0.97, 1.0, 1.0, 1.03, 1.06, 1.12), gain_db=2.0)
    )
    slope: ranges.Weight = 0.5
    """Weight of the picture's slope from row to row: it locates peaks whatever their height."""

    def task(self, codec: SpectrogramCodec, train: Split, validation: Split, seed: int, worker: Worker) -> "PictureTask":
        return PictureTask(codec, self, train, validation, seed, worker)


class PictureObjective(nn.Module):
    """The spectrogram codec's loss, as a module for DDP."""

    def __init__(self, codec: SpectrogramCodec, settings: PictureTraining):
        super().__init__()
        self.codec, self.settings = codec, settings

    def forward(self, audio: Tensor, lengths: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Level-normalised audio [B, 1, T * hop], lengths [B] -> (loss, its terms)."""
        s, codec = self.settings, self.codec
        valid = torch.arange(audio.shape[-1] // codec.hop, device=audio.device)[None] * codec.hop < lengths[:, None]
        with reduced_precision(s.precision, audio.device):
            wanted, given, quantised = codec.training_pass(audio, valid, self._random_prefixes(len(audio), audio.device))
        inside = valid.repeat_interleave(codec.config.frames_per_column, -1)[:, None]
        terms = {"picture": _masked_l1(wanted, given, inside), "slope": _masked_l1(wanted.diff(dim=1), given.diff(dim=1), inside)}
        loss = terms["picture"] + s.slope * terms["slope"] + s.quantiser * codec.quantiser_loss(quantised)
        terms["commitment"] = quantised.commitment_loss
        terms |= {f"perplexity_{j + 1}": value for j, value in enumerate(quantised.perplexity)}
        return loss, {"loss": loss, **terms}

    def _random_prefixes(self, n: int, device: torch.device) -> Tensor:
        """Stages per clip: all, or for `prefix_share` of the clips from 1 to all but one."""
        k = len(self.codec.spec.stages)
        prefix = torch.randint(1, max(2, k), (n,), device=device)
        return torch.where(torch.rand(n, device=device) < self.settings.prefix_share, prefix, k)


class PictureTask(CodecTask):
    """Train a spectrogram codec; see `training.loop.Task`. Validates like any codec."""

    def __init__(
        self, codec: SpectrogramCodec, settings: PictureTraining, train: Split, validation: Split, seed: int, worker: Worker
    ):
        self._begin(codec, settings, train, validation, seed, worker)
        if codec.is_new:
            codec.start_from(torch.cat([self.batches.batch(step).audio for step in range(-STARTING_BATCHES, 0)]))
        self._optimise_codec(PictureObjective(codec, settings))

    def train_step(self, step: int) -> dict[str, Tensor]:
        self._begin_step(step)
        batch = self.batches.batch(step)
        loss, terms = self.objective(*(part.to(self.worker.device) for part in (batch.audio, batch.lengths)))
        return terms | self._descend("codec", loss)


def _masked_l1(wanted: Tensor, given: Tensor, inside: Tensor) -> Tensor:
    """Mean difference of pictures [B, rows, frames] over the frames where inside [B, 1, frames] is True."""
    return ((wanted - given).abs() * inside).sum() / (inside.sum() * wanted.shape[1]).clamp_min(1)
