"""Log-frequency spectrograms: decibels in 64 bands on a semitone or a mel scale."""

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional as F

FLOOR_DB = -80.0  # dBFS of a sinusoid; a quieter band counts as silent
LOWEST_MIDI = 47  # B2, 123 Hz: a semitone below the lowest note; 64 bands reach D8, 4.7 kHz


class LogPicture(nn.Module):
    """Log-frequency spectrogram [B, bands, columns, 1], from 0 (silent) to about 1.

    The lowest band is the first row. On the semitone scale, a band is a triangle two semitones wide, so that an octave spans
    twelve rows and a change of pitch shifts the picture. Mel bands are wider than a semitone below 1 kHz.

    Args:
        sample_rate: Hz.
        bands: number of rows.
        scale: "semitone" or "mel".
        column_s: seconds from one column to the next.
    """

    def __init__(self, sample_rate: int, bands: int, scale: str, column_s: float):
        super().__init__()
        self.n_fft, self.hop = 4096 if scale == "semitone" else 1024, round(column_s * sample_rate)
        self.register_buffer("window", torch.hann_window(self.n_fft), persistent=False)
        if scale == "semitone":
            filters = _semitones(bands, self.n_fft, sample_rate)
        else:
            filters = torchaudio.functional.melscale_fbanks(self.n_fft // 2 + 1, 60.0, sample_rate / 2, bands, sample_rate).T
        self.register_buffer("filters", filters.contiguous(), persistent=False)

    def columns(self, samples: int) -> int:
        """Return the number of columns of a clip of this length."""
        return -(-samples // self.hop)

    def forward(self, audio: Tensor) -> Tensor:
        """Map audio [B, N] to [B, bands, columns, 1]; zeros are assumed beyond the ends."""
        columns = self.columns(audio.shape[-1])
        margin = (self.n_fft - self.hop) // 2
        padded = F.pad(audio, (margin, columns * self.hop - audio.shape[-1] + self.n_fft - self.hop - margin))
        spectrum = torch.stft(padded, self.n_fft, self.hop, window=self.window, center=False, return_complex=True)
        power = self.filters @ (spectrum.abs() * 2 / self.window.sum()).square()
        decibels = 10 * torch.log10(power.clamp_min(10 ** (FLOOR_DB / 10)))
        return (1 - decibels / FLOOR_DB)[..., None]


def _semitones(bands: int, n_fft: int, sample_rate: int) -> Tensor:
    """Triangles [bands, bins] with their peaks a semitone apart."""
    frequency = torch.arange(n_fft // 2 + 1).clamp_min(1) * (sample_rate / n_fft)
    midi = 69 + 12 * torch.log2(frequency / 440)
    peaks = LOWEST_MIDI + torch.arange(bands)
    return (1 - (midi[None] - peaks[:, None]).abs()).clamp_min(0)
