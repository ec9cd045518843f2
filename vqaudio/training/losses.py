"""Losses between audio [B, 1, N] and its reconstruction, ignoring padding."""

import torch
import torchaudio
from torch import Tensor, nn


def frame_mask(lengths: Tensor, n_frames: int, hop: int) -> Tensor:
    """[B] samples -> [B, 1, n_frames]: 1 where a frame's centre is in the clip."""
    return (torch.arange(n_frames, device=lengths.device)[None] * hop < lengths[:, None])[:, None].float()


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Average values [B, F, T] over the frames where mask [B, 1, T] is 1."""
    return (values * mask).sum() / (mask.sum() * values.shape[1]).clamp_min(1)


class SpectralLoss(nn.Module):
    """Three spectral terms, each a mean over window lengths.

    - mel: the L1 of log10 mel magnitudes (Kumar et al. 2023, "DAC", section 3.4).
    - linear: the L1 of log10 magnitudes of every bin, for the windows that resolve harmonics: mel bands are too wide at high
      frequencies to catch noise between the harmonics.
    - complex: the L1 of the STFT compressed to |X|^0.3 e^{i phase} (Braun and Tashev 2021).

    Mel magnitudes below `floor`, for a clip at the reference level, count as silence (for a bin's magnitude, ten times that).
    """

    WINDOWS_S = (0.008, 0.016, 0.032, 0.064, 0.128)

    def __init__(self, sample_rate: int, terms: tuple[str, ...] = ("mel", "linear", "complex"), floor: float = 1e-4):
        super().__init__()
        self.terms, self.floor = terms, floor
        self.windows = windows = tuple(round(seconds * sample_rate) for seconds in self.WINDOWS_S)
        self.linear_windows = [window for window in windows if sample_rate / 64 <= window <= sample_rate / 12]
        for window in windows:
            bins, bands = window // 2 + 1, min(80, window // 8 + 8)
            mel = torchaudio.functional.melscale_fbanks(bins, 0.0, sample_rate / 2, bands, sample_rate)
            self.register_buffer(f"mel_{window}", mel.T.contiguous(), persistent=False)
            self.register_buffer(f"window_{window}", torch.hann_window(window), persistent=False)

    def forward(self, audio: Tensor, reconstruction: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """Level-normalised audio [B, 1, N] twice, lengths [B] -> the requested terms."""
        terms: dict[str, list[Tensor]] = {name: [] for name in self.terms}
        for window in self.windows:
            spectra = [self._stft(part, window) for part in (audio, reconstruction)]
            mask = frame_mask(lengths, spectra[0].shape[-1], window // 4)
            magnitudes = [part.abs() for part in spectra]
            mel = getattr(self, f"mel_{window}")
            terms["mel"].append(_log_difference(*(mel @ part for part in magnitudes), self.floor, mask))
            if window in self.linear_windows:
                terms["linear"].append(_log_difference(*magnitudes, 10 * self.floor, mask))
            if "complex" in terms:
                a, b = (part * (magnitude + 1e-4) ** -0.7 for part, magnitude in zip(spectra, magnitudes))
                terms["complex"].append(masked_mean((a - b).abs(), mask))
        return {name: torch.stack(values).mean() for name, values in terms.items()}

    def _stft(self, audio: Tensor, window: int) -> Tensor:
        return torch.stft(
            audio[:, 0], window, window // 4, window=getattr(self, f"window_{window}"), center=True, pad_mode="constant",
            return_complex=True,
        )


def _log_difference(a: Tensor, b: Tensor, floor: float, mask: Tensor) -> Tensor:
    return masked_mean((a.clamp_min(floor).log10() - b.clamp_min(floor).log10()).abs(), mask)


class WaveformLoss(nn.Module):
    """The L1 difference of two waveforms relative to the first, both below HIGHEST_HZ.

    A codec can follow the waveform of low harmonics; above, the loss would only reward silence.
    """

    HIGHEST_HZ = 1500.0

    def __init__(self, sample_rate: int):
        super().__init__()
        self.sample_rate = sample_rate

    def forward(self, audio: Tensor, reconstruction: Tensor, weight: Tensor) -> Tensor:
        """Level-normalised audio [B, 1, N] twice, weights [B] -> loss, from 0."""
        ratio = self._low(audio - reconstruction).abs().mean(-1) / self._low(audio).abs().mean(-1).clamp_min(1e-3)
        return (ratio * weight).sum() / weight.sum().clamp_min(1)

    def _low(self, audio: Tensor) -> Tensor:
        """Low-pass [B, 1, N] at HIGHEST_HZ -> [B, N]."""
        spectrum = torch.fft.rfft(audio[:, 0])
        hz = torch.linspace(0, self.sample_rate / 2, spectrum.shape[-1], device=audio.device)
        return torch.fft.irfft(spectrum * torch.sigmoid((self.HIGHEST_HZ - hz) / 50), n=audio.shape[-1])


class LoudnessLoss(nn.Module):
    """The loudness error of each critical band: the core of PESQ, made differentiable.

    Loudness densities in Bark bands (Zwicker and Feldtkeller 1967), their difference outside a dead zone, and the same with a
    higher weight for added than for missing sound, as in ITU-T P.862, sections 10.2.3 to 10.2.8. The bands and the threshold of
    hearing come from the formulas of Traunmueller (1990) and Terhardt (1979) instead of that standard's tables. Left out: time
    alignment, filters, gain tracking and the averages over long intervals.
    """

    LISTENING_LEVEL_DB = 79.0  # dB SPL of a clip at the codec's reference level

    def __init__(self, sample_rate: int, reference_level_db: float, bark: float = 0.4):
        super().__init__()
        self.size = sample_rate // 1000 * 32
        window = torch.hann_window(self.size)
        full_scale_db = self.LISTENING_LEVEL_DB - reference_level_db
        self.scale = 10 ** (full_scale_db / 10) / (window.square().sum() * self.size / 2).item()
        hz = torch.arange(self.size // 2 + 1) * sample_rate / self.size
        position = (26.81 * hz / (1960 + hz) - 0.53).clamp_min(0)
        band = (position / bark).long()
        khz = (hz.clamp_min(50) / 1000).double()
        threshold_db = 3.64 * khz**-0.8 - 6.5 * torch.exp(-0.6 * (khz - 3.3) ** 2) + 1e-3 * khz**4
        bands = torch.unique(band[hz >= 60])
        gather = (band[None] == bands[:, None]) & (hz >= 60)[None]
        centre = (gather * position).sum(-1) / gather.sum(-1)
        threshold = (gather * 10 ** (threshold_db / 10)).sum(-1) / gather.sum(-1)
        exponent = 0.23 * torch.where(centre < 4, 6 / (centre + 2), 1.0).clamp(max=2)
        self.width = bark
        for name, value in (("window", window), ("bands", gather), ("threshold", threshold), ("exponent", exponent)):
            self.register_buffer(name, value.float(), persistent=False)

    def forward(self, audio: Tensor, reconstruction: Tensor, lengths: Tensor) -> Tensor:
        """Level-normalised audio [B, 1, N] twice, lengths [B] -> PESQ points, from 0."""
        x, y = (self._band_powers(part) for part in (audio, reconstruction))
        a, b = self._loudness(x), self._loudness(y)
        disturbance = torch.relu((a - b).abs() - 0.25 * torch.minimum(a, b))
        ratio = ((y + 50) / (x + 50)) ** 1.2
        added = disturbance * torch.where(ratio < 3, 0.0, ratio.clamp(max=12))
        audible = ((x.sum(1) + 1e5) / 1e7) ** -0.04
        symmetric = ((disturbance * self.width).square().sum(1) + 1e-6).sqrt() * audible
        asymmetric = (added * self.width).sum(1) * audible
        mask = frame_mask(lengths, x.shape[-1], self.size // 2)[:, 0]
        per_clip = [
            ((part.clamp(max=45).square() * mask).sum(-1) / mask.sum(-1) + 1e-6).sqrt() for part in (symmetric, asymmetric)
        ]
        return (0.1 * per_clip[0] + 0.0309 * per_clip[1]).mean()

    def _band_powers(self, audio: Tensor) -> Tensor:
        spectrum = torch.stft(
            audio[:, 0], self.size, self.size // 2, window=self.window, center=True, pad_mode="constant", return_complex=True
        )
        return self.bands @ (spectrum.abs().square() * self.scale)

    def _loudness(self, power: Tensor) -> Tensor:
        threshold, exponent = self.threshold[:, None], self.exponent[:, None]
        density = 0.1866 * (threshold / 0.5) ** exponent * ((0.5 + 0.5 * power / threshold) ** exponent - 1)
        return torch.relu(density)
