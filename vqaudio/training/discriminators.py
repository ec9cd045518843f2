"""Discriminators over waveform periods and complex STFTs, and their losses.

Periods: HiFi-GAN (Kong et al. 2020, section 2.3). Complex STFT at several resolutions: EnCodec (Defossez et al. 2022,
section 3.4). Least-squares losses and feature matching as in HiFi-GAN. Scores after a clip's end are ignored.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm


class PeriodDiscriminator(nn.Module):
    def __init__(self, period: int, channels: int):
        super().__init__()
        self.period = period
        widths = (1, channels, 2 * channels, 4 * channels, 4 * channels)
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(i, o, (5, 1), (3 if n < 3 else 1, 1), (2, 0)))
            for n, (i, o) in enumerate(zip(widths, widths[1:]))
        )
        self.score = weight_norm(nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, audio: Tensor) -> tuple[Tensor, list[Tensor]]:
        x = F.pad(audio, (0, -audio.shape[-1] % self.period))
        return _features(x.unflatten(-1, (-1, self.period)), self.layers, self.score)


class SpectrumDiscriminator(nn.Module):
    def __init__(self, window: int, channels: int):
        super().__init__()
        self.size = window
        self.register_buffer("window", torch.hann_window(window), persistent=False)
        self.layers = nn.ModuleList([weight_norm(nn.Conv2d(2, channels, (3, 9), padding=(1, 4)))])
        for dilation in (1, 2, 4):
            self.layers.append(
                weight_norm(nn.Conv2d(channels, channels, (3, 9), (1, 2), (dilation, 4), dilation=(dilation, 1)))
            )
        self.score = weight_norm(nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, audio: Tensor) -> tuple[Tensor, list[Tensor]]:
        spectrum = torch.stft(
            audio[:, 0], self.size, self.size // 4, window=self.window, center=True, pad_mode="constant", normalized=True,
            return_complex=True,
        )
        x = torch.view_as_real(spectrum).permute(0, 3, 2, 1).contiguous()  # [B, 2, frames, bins]
        return _features(x, self.layers, self.score)


def _features(x: Tensor, layers: nn.ModuleList, score: nn.Module) -> tuple[Tensor, list[Tensor]]:
    features = []
    for layer in layers:
        x = F.leaky_relu(layer(x), 0.1)
        features.append(x)
    return score(x), features


class Discriminators(nn.Module):
    """All discriminators together; dimension 2 of every score map is time."""

    def __init__(
        self, periods: tuple[int, ...] = (2, 3, 5, 7, 11), windows: tuple[int, ...] = (128, 256, 512), channels: int = 32
    ):
        super().__init__()
        self.parts = nn.ModuleList(
            [*(PeriodDiscriminator(period, channels) for period in periods),
             *(SpectrumDiscriminator(window, channels) for window in windows)]
        )

    def forward(self, real: Tensor, fake: Tensor, lengths: Tensor) -> Tensor:
        """Return the mean loss on real and (detached) decoded audio [B, 1, N]."""
        total = real.new_zeros(())
        for part in self.parts:
            scores, _ = part(torch.cat([real, fake.detach()]))
            on_real, on_fake = scores.chunk(2)
            mask = _mask_like(on_real, lengths, real.shape[-1])
            total = total + _mean((1 - on_real).square(), mask) + _mean(on_fake.square(), mask)
        return total / len(self.parts)

    def judge(self, real: Tensor, fake: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return (adversarial loss, feature-matching loss) for the codec, averaged."""
        adversarial, matching = real.new_zeros(()), real.new_zeros(())
        for part in self.parts:
            with torch.no_grad():
                _, wanted = part(real)
            scores, features = part(fake)
            adversarial = adversarial + _mean((1 - scores).square(), _mask_like(scores, lengths, real.shape[-1]))
            for a, b in zip(features, wanted):
                mask = _mask_like(a, lengths, real.shape[-1])
                matching = matching + _mean((a - b).abs(), mask) / _mean(b.abs(), mask).clamp_min(1e-3) / len(features)
        return adversarial / len(self.parts), matching / len(self.parts)


def _mask_like(x: Tensor, lengths: Tensor, n: int) -> Tensor:
    """[B, 1, T, 1]: 1 where x's time, dimension 2, is inside the clip, of n padded samples."""
    share = (lengths / n)[:, None]
    inside = (torch.arange(x.shape[2], device=x.device) + 0.5)[None] / x.shape[2] < share
    return inside[:, None, :, None].to(x.dtype)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / (mask.sum() * values.shape[1] * values.shape[3]).clamp_min(1)
