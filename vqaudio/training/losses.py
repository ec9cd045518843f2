"""Reconstruction losses between audio [B, 1, N] and its reconstruction, blind to padding."""

import torch
import torchaudio
from torch import Tensor, nn


def frame_mask(lengths: Tensor, n_frames: int, hop: int) -> Tensor:
    """[B] samples -> [B, 1, n_frames]: 1 where the centre of a centred STFT frame lies inside the clip."""
    return (torch.arange(n_frames, device=lengths.device)[None] * hop < lengths[:, None])[:, None].float()


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean of values [B, F, T] over the frames where mask [B, 1, T] is 1."""
    return (values * mask).sum() / (mask.sum() * values.shape[1]).clamp_min(1)


class SpectralLoss(nn.Module):
    """Two terms over several window lengths: the L1 of log10 mel magnitudes, and that of the compressed complex STFT.

    The mel term is DAC's (Kumar et al. 2023, section 3.4); the complex one, |X|^0.3 e^{i phase}, follows speech enhancement
    (Braun and Tashev 2021) and is what lets the phase be learned.
    """

    def __init__(self, sample_rate: int, windows: tuple[int, ...] = (64, 128, 256, 512, 1024)):
        super().__init__()
        self.windows = windows
        for window in windows:
            bins, bands = window // 2 + 1, min(80, window // 8 + 8)
            mel = torchaudio.functional.melscale_fbanks(bins, 0.0, sample_rate / 2, bands, sample_rate)
            self.register_buffer(f"mel_{window}", mel.T.contiguous(), persistent=False)
            self.register_buffer(f"window_{window}", torch.hann_window(window), persistent=False)

    def forward(self, audio: Tensor, reconstruction: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """[B, 1, N] twice, lengths [B] -> (mel term in log10 units, complex term), each a mean over window lengths."""
        mel_term, complex_term = audio.new_zeros(()), audio.new_zeros(())
        for window in self.windows:
            a, b = (self._stft(part, window) for part in (audio, reconstruction))
            mask = frame_mask(lengths, a.shape[-1], window // 4)
            mel = getattr(self, f"mel_{window}")
            logs = [(mel @ part.abs().clamp_min(1e-6)).clamp_min(1e-4).log10() for part in (a, b)]
            mel_term = mel_term + masked_mean((logs[0] - logs[1]).abs(), mask)
            difference = torch.view_as_real(_compress(a) - _compress(b)).abs().sum(-1)
            complex_term = complex_term + masked_mean(difference, mask)
        return mel_term / len(self.windows), complex_term / len(self.windows)

    def _stft(self, audio: Tensor, window: int) -> Tensor:
        return torch.stft(
            audio[:, 0], window, window // 4, window=getattr(self, f"window_{window}"), center=True, pad_mode="constant",
            return_complex=True,
        )


def _compress(spectrum: Tensor) -> Tensor:
    return spectrum * (torch.view_as_real(spectrum).square().sum(-1) + 1e-6) ** -0.35
