"""Features of speech, 25 ms windows every 10 ms, and their statistics.

A frame is centred on sample (t + 1/2) * hop, as in `nn.spectra`, and silence surrounds a clip. So a clip has the same frames in
any batch, and each 10 ms of audio has exactly one.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio.errors import InputError
from vqaudio.files import replace_file

Kind = Literal["mfcc39", "logmel", "waveform"]
KINDS = ("mfcc39", "logmel", "waveform")
WINDOW_S, HOP_S = 0.025, 0.010
N_MELS, N_CEPSTRAL_MELS, N_CEPSTRA = 80, 40, 13
FLOOR = 1e-4  # added to the power of a mel band: 63 dB below a loud vowel at -20 dBFS
DELTA_REACH = 2  # frames on either side that a delta is computed from
FRACTION_BITS = 64  # after the binary point of an exact sum


class Features(nn.Module):
    """A feature extractor: audio [B, N] -> features [B, dim, N / hop].

    - "mfcc39": 13 MFCCs of 40 mel bands, their deltas and double deltas.
    - "logmel": the natural logarithm of the power in 80 mel bands.
    - "waveform": the 10 ms of samples themselves.

    Args:
        kind: one of KINDS.
        sample_rate: Hz; 10 ms are a whole number of samples.

    Attributes:
        dim: numbers a frame.
        hop: samples between two frames.
        reach: frames on either side of a frame that it depends on.

    Raises:
        InputError: another kind, or a sample rate whose 10 ms are not a whole number of samples.
    """

    def __init__(self, kind: Kind, sample_rate: int):
        super().__init__()
        if kind not in KINDS:
            raise InputError(f"Features are {', '.join(KINDS)}; not {kind!r}.")
        if sample_rate * HOP_S % 1 or sample_rate < 4000:
            raise InputError(f"Features need a sample rate from 4,000 Hz that is a multiple of 100 Hz; not {sample_rate:,} Hz.")
        self.kind, self.sample_rate = kind, sample_rate
        self.hop, self.window_size = round(HOP_S * sample_rate), round(WINDOW_S * sample_rate)
        finer = 2 if kind == "logmel" else 1  # so that the lowest of 80 bands are wider than a bin
        self.n_fft = 2 ** math.ceil(math.log2(finer * self.window_size))
        self.dim = {"mfcc39": 3 * N_CEPSTRA, "logmel": N_MELS, "waveform": self.hop}[kind]
        self.reach = 0 if kind == "waveform" else 1 + (2 * DELTA_REACH if kind == "mfcc39" else 0)
        bands = N_CEPSTRAL_MELS if kind == "mfcc39" else N_MELS
        self.register_buffer("window", torch.hann_window(self.window_size), persistent=False)
        self.register_buffer("bank", mel_bank(self.n_fft, sample_rate, bands), persistent=False)
        self.register_buffer("dct", torchaudio.functional.create_dct(N_CEPSTRA, bands, "ortho").T, persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Audio [B, N] -> features [B, dim, N / hop].

        Raises InputError unless N is a positive multiple of `hop`.
        """
        if audio.ndim != 2 or audio.shape[1] == 0 or audio.shape[1] % self.hop:
            raise InputError(f"Features need audio [batch, n * {self.hop}]; this is {list(audio.shape)}.")
        if self.kind == "waveform":
            return audio.unflatten(1, (-1, self.hop)).transpose(1, 2)
        if self.kind == "logmel":
            return self._log_mel(audio)
        margin = 2 * DELTA_REACH
        cepstra = self.dct @ self._log_mel(F.pad(audio, (margin * self.hop,) * 2))
        deltas = torchaudio.functional.compute_deltas(cepstra, 2 * DELTA_REACH + 1)
        doubles = torchaudio.functional.compute_deltas(deltas, 2 * DELTA_REACH + 1)
        return torch.cat([cepstra, deltas, doubles], 1)[..., margin:-margin]

    def of_clip(self, audio: Tensor) -> Tensor:
        """One clip [N] of any length -> features [dim, ceil(N / hop)]; silence follows it."""
        return self(F.pad(audio, (0, -len(audio) % self.hop))[None])[0]

    def _log_mel(self, audio: Tensor) -> Tensor:
        before = (self.n_fft - self.hop) // 2
        padded = F.pad(audio, (before, self.n_fft - self.hop - before))
        power = torchaudio.functional.spectrogram(
            padded, 0, self.window, self.n_fft, self.hop, self.window_size, power=2.0, normalized=False, center=False
        )
        return (self.bank @ power + FLOOR).log()


def mel_bank(n_fft: int, sample_rate: int, bands: int) -> Tensor:
    """Triangles [bands, n_fft / 2 + 1], evenly spaced on HTK's mel scale.

    From 0 Hz to half the sample rate.
    """
    return torchaudio.functional.melscale_fbanks(n_fft // 2 + 1, 0.0, sample_rate / 2, bands, sample_rate).T.contiguous()


@dataclass(frozen=True)
class Statistics:
    """Exact sums of features, from which their mean and deviation follow.

    A clip's sums are float64; across clips they are added as whole numbers of 2^-64. So the result does not depend on the order
    of the clips, on how they are grouped into shards, or on how many processes share the work: add their statistics.

    Attributes:
        frames: number of frames.
        sums, squares: for each of the features' numbers, the sum and the sum of squares, times 2^64.
    """

    frames: int = 0
    sums: tuple[int, ...] = ()
    squares: tuple[int, ...] = ()

    @classmethod
    def of(cls, features: Tensor) -> "Statistics":
        """Compute the statistics of one clip's features [dim, T].

        Raises InputError if a feature is not finite.
        """
        if not features.isfinite().all():
            raise InputError("The features hold NaN or infinite numbers.")
        x = features.double()
        return cls(features.shape[1], _exact(x.sum(1)), _exact(x.square().sum(1)))

    def __add__(self, other: "Statistics") -> "Statistics":
        if not self.frames or not other.frames:
            return self if self.frames else other
        if len(self.sums) != len(other.sums):
            raise InputError(f"Statistics of {len(self.sums)} and of {len(other.sums)} numbers a frame cannot be added.")
        sums, squares = (
            tuple(a + b for a, b in zip(*pair)) for pair in ((self.sums, other.sums), (self.squares, other.squares))
        )
        return Statistics(self.frames + other.frames, sums, squares)

    @property
    def mean(self) -> Tensor:
        """[dim] float64. Raises InputError where there are no frames."""
        self._check()
        return torch.tensor([float(self._share(total)) for total in self.sums], dtype=torch.float64)

    @property
    def deviation(self) -> Tensor:
        """The population standard deviation, [dim] float64.

        Raises InputError if there are no frames.
        """
        self._check()
        pairs = zip(self.sums, self.squares)
        variances = [self._share(squares) - self._share(total) ** 2 for total, squares in pairs]
        return torch.tensor([math.sqrt(max(0, variance)) for variance in variances], dtype=torch.float64)

    def _share(self, total: int) -> Fraction:
        return Fraction(total, self.frames << FRACTION_BITS)

    def _check(self) -> None:
        if not self.frames:
            raise InputError("There are no frames to take a mean of.")


def _exact(sums: Tensor) -> tuple[int, ...]:
    return tuple(int(math.ldexp(value, FRACTION_BITS)) for value in sums.tolist())


def statistics_of(clips: Iterable[Tensor], features: Features) -> Statistics:
    """Compute statistics over clips [N], one clip at a time."""
    total = Statistics()
    for audio in clips:
        total = total + Statistics.of(features.of_clip(audio))
    return total


def save_statistics(path: Path, statistics: Statistics, features: Features) -> None:
    """Write mean and deviation, and the settings of the features, as JSON."""
    record = settings_of(features) | {
        "frames": statistics.frames, "mean": statistics.mean.tolist(), "deviation": statistics.deviation.tolist(),
    }
    replace_file(Path(path), lambda temporary: temporary.write_text(json.dumps(record, indent=1) + "\n"))


def settings_of(features: Features) -> dict:
    """What two sets of features must have in common to be the same features."""
    return {
        "features": features.kind, "sample_rate": features.sample_rate, "window_s": WINDOW_S, "hop_s": HOP_S, "dim": features.dim,
    }


def load_statistics(path: Path, features: Features) -> tuple[Tensor, Tensor]:
    """Read what `save_statistics` wrote: mean and deviation, [dim] float64 each.

    Raises:
        InputError: no such file, another format, or statistics of other features.
    """
    try:
        record = json.loads(Path(path).read_text())
        mean, deviation = (torch.tensor(record[name], dtype=torch.float64) for name in ("mean", "deviation"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} holds no statistics of features: compute them with `vqaudio features stats`.") from None
    check_settings(path, record, features)
    if mean.shape != (features.dim,) or deviation.shape != (features.dim,):
        raise InputError(f"{path} holds {mean.numel()} numbers a frame; {features.kind} has {features.dim}.")
    return mean, deviation


def check_settings(path: Path, record: dict, features: Features) -> None:
    """Raise InputError if a file was written with other feature settings."""
    for name, value in settings_of(features).items():
        if record.get(name) != value:
            raise InputError(f"{path} was made with {name} {record.get(name)!r}; {value!r} is needed. Compute it again.")
