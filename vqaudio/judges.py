"""Judges: classifiers that check the labels of decoded clips.

For example whether a clip is still the same digit by the same speaker.

Trained on original recordings of the training part only, with `vqaudio train judge`.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
import torchaudio
from torch import Tensor, nn

from vqaudio import ranges
from vqaudio.audio import active_level_db
from vqaudio.model import Model


@dataclass(frozen=True)
class JudgeConfig:
    """A classifier of short clips."""

    module: ranges.Name = "judges"
    """Module of the model's class; written to config.json."""
    target: ranges.Name = "digit"
    """The kind of label that it classifies."""
    classes: tuple[ranges.Name, ...] = ()
    """The label's values, in the order of the outputs."""
    sample_rate: ranges.SampleRate = 8000
    """Hz."""
    n_fft: ranges.WindowSize = 256
    hop: ranges.Hop = 80
    n_mels: Annotated[int, ranges.Range(1, 512)] = 48
    channels: Annotated[int, ranges.Range(1, 1024)] = 24
    """Of the first convolution; later ones have two and four times as many."""
    dropout: ranges.Share = 0.3
    floor: ranges.Floor = 0.002
    """Mel magnitudes below this count as silence, at an active level of -20 dB."""
    hidden_share: ranges.Share = 0.15
    """In training, up to this share of the bands and of the frames is hidden, twice each (SpecAugment, Park et al. 2019)."""


class Judge(Model):
    """Log-mel picture -> four convolutions -> mean over the clip -> logits."""

    def __init__(self, config: JudgeConfig):
        super().__init__(config)
        c = config.channels
        mel = torchaudio.functional.melscale_fbanks(
            config.n_fft // 2 + 1, 60.0, config.sample_rate / 2, config.n_mels, config.sample_rate
        )
        self.register_buffer("mel", mel.T.contiguous(), persistent=False)
        self.register_buffer("window", torch.hann_window(config.n_fft), persistent=False)
        widths = (1, c, 2 * c, 4 * c, 4 * c)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 3, (2, 1 + n % 2), 1), nn.BatchNorm2d(o), nn.ReLU())
            for n, (i, o) in enumerate(zip(widths, widths[1:]))
        )
        self.embedding_dim = 4 * c * -(-config.n_mels // 16)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(self.embedding_dim, len(config.classes))

    def embed(self, audio: Tensor, lengths: Tensor) -> Tensor:
        """Embed audio [B, 1, N], lengths [B]: [B, embedding_dim].

        Neither the level nor padding affects it.
        """
        self.check_precision()
        level_db = active_level_db(audio, lengths, self.config.sample_rate)
        audio = audio * 10 ** ((-20 - level_db) / 20)[:, None, None]
        spectrum = torch.stft(
            audio[:, 0], self.config.n_fft, self.config.hop, window=self.window, center=True, pad_mode="constant",
            return_complex=True,
        )
        x = ((self.mel @ spectrum.abs()).clamp_min(self.config.floor).log10() - math.log10(self.config.floor))[:, None]
        if self.training:
            x = self._partly_hidden(x)
        frames = torch.div(lengths - 1, self.config.hop, rounding_mode="floor") + 1
        for layer in self.layers:
            x = layer(x * _inside(x, frames))
            frames = torch.div(frames + layer[0].stride[1] - 1, layer[0].stride[1], rounding_mode="floor")
        inside = _inside(x, frames)
        return ((x * inside).sum(-1) / inside.sum(-1)).flatten(1)

    def _partly_hidden(self, x: Tensor) -> Tensor:
        """Zero two random spans of bands and two of frames in each picture of [B, 1, bands, frames]."""
        for dim in (2, 3, 2, 3):
            position = torch.arange(x.shape[dim], device=x.device) / x.shape[dim]
            width = torch.rand(len(x), 1, device=x.device) * self.config.hidden_share
            start = torch.rand(len(x), 1, device=x.device) * (1 - width)
            kept = ~((position >= start) & (position < start + width))
            x = x * (kept[:, None, :, None] if dim == 2 else kept[:, None, None, :])
        return x

    def forward(self, audio: Tensor, lengths: Tensor) -> Tensor:
        """Audio [B, 1, N], lengths [B] -> logits [B, classes]."""
        return self.head(self.dropout(self.embed(audio, lengths)))


def _inside(x: Tensor, frames: Tensor) -> Tensor:
    """[B, 1, 1, T], 1 for the frames before each clip's end."""
    return (torch.arange(x.shape[-1], device=x.device)[None] < frames[:, None])[:, None, None].to(x.dtype)


MODEL, CONFIG = Judge, JudgeConfig
