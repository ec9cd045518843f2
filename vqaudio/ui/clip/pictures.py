"""Spectrograms as small grey pictures for the page, and levels in dB."""

import math

import torch
from torch import Tensor

RANGE_DB = 65.0  # from the loudest cell of the original to black
MAX_FRAMES = 1500


def spectrogram_db(sound: Tensor, sample_rate: int) -> Tensor:
    """The spectrogram of a sound [N], dB [bins, frames].

    Windows are about 32 ms long and at least 5 ms apart; there are at most about 1,500. A sine at full scale is at 0 dB. Row
    0 is 0 Hz; frame i is centred at i / (frames - 1) of the clip.
    """
    n_fft = 2 ** round(math.log2(0.032 * sample_rate))
    hop = max(sample_rate // 200, math.ceil(len(sound) / MAX_FRAMES))
    window = torch.hann_window(n_fft)
    padded = torch.nn.functional.pad(sound, (n_fft // 2, n_fft // 2 + hop))
    spectrum = torch.stft(padded, n_fft, hop, window=window, center=False, return_complex=True)
    frames = math.ceil(len(sound) / hop) + 1
    return 20 * (spectrum.abs()[:, :frames] * 2 / window.sum()).clamp_min(1e-7).log10()


def shades(decibel: Tensor, top_db: float) -> Tensor:
    """dB [bins, frames] -> uint8: 255 at `top_db`, 0 at RANGE_DB below it."""
    share = (decibel - top_db + RANGE_DB) / RANGE_DB
    return (share.clamp(0, 1) * 255).round().to(torch.uint8)


def level_db(sound: Tensor) -> float | None:
    """The root mean square of a sound [N], dBFS; None for silence (under -120 dB)."""
    power = float(sound.double().square().mean())
    return 10 * math.log10(power) if power > 1e-12 else None
