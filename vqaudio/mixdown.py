"""Mix channels to mono, and measure the recording on the way."""

import math
from dataclasses import dataclass

import numpy as np

from vqaudio.errors import InputError

RATES_HZ = (2_000, 400_000)  # so that a wrong header cannot turn one sample into a second of sound
MAX_CHANNELS = 64
CANCELS = 0.25  # channels cancel out if their mix has less than this share of the power of uncorrelated channels
OFFSET = 0.5  # a mean above this share of the RMS around it is a DC offset; it changes the level by 1 dB
FAINT = 1e-4  # of full scale: below it, neither is checked
SHORTEST_S = 0.05  # in shorter recordings, the mean may be that of a low tone


@dataclass(frozen=True)
class Mix:
    """A mix of channels to mono: their mean, or one of them (from 0), minus an offset."""

    channel: int | None = None
    offset: float = 0.0

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """float32 [channels, n] -> [n]."""
        if self.channel is not None or len(rows) == 1:
            mono = rows[self.channel or 0]
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                mono = rows.mean(0)
        return mono - np.float32(self.offset) if self.offset else mono


class Meter:
    """Mixes blocks to mono, and measures them.

    Attributes:
        rates, channels: of the blocks, without duplicates, in order.
        frames, samples, seconds: so far; a frame is one sample of each channel.
        peak: the largest magnitude in any channel.
        flat: samples on a flat top at full scale.
    """

    def __init__(self, name: str, max_seconds: float, mix: Mix):
        self.name, self.max_seconds, self.mix = name, max_seconds, mix
        self.rates: list[int] = []
        self.channels: list[int] = []
        self.frames, self.samples, self.seconds, self.flat, self.peak = 0, 0, 0.0, 0, 0.0
        self._sums = np.zeros((2, 1))  # of samples and their squares: the mix, then each channel of the first block

    def measure(self, rate: int, block: np.ndarray) -> np.ndarray:
        """Mix a block, float32 [n, channels] -> [n].

        Raises:
            InputError: too long, NaN or infinite samples, or a sample rate or number of channels out of range.
        """
        self._check_shape(rate, block.shape[1])
        if not len(block):
            return block[:, 0]
        self.frames += len(block)
        self.samples += block.size
        self.seconds += len(block) / rate
        if self.seconds > self.max_seconds:
            raise self.too_long(self.max_seconds)
        rows = np.ascontiguousarray(block.T)
        top = float(max(rows.max(), -rows.min()))  # NaN passes through max
        mono = self.mix(rows)
        if not (math.isfinite(top) and np.isfinite(mono).all()):
            raise InputError(f"{self.name} holds NaN or infinite samples: export it again, as 16-bit WAV.")
        self.peak = max(self.peak, top)
        if top >= 0.99:
            middle = rows[:, 1:-1]
            self.flat += int(((np.abs(middle) >= 0.99) & (middle == rows[:, :-2]) & (middle == rows[:, 2:])).sum())
        self._sums[:, 0] += _moments(mono)
        if len(self.channels) == 1:
            self._sums[:, 1:] += np.transpose([_moments(row) for row in rows])
        return mono

    def remedy(self) -> Mix:
        """The mix that this recording needs.

        One channel if all of them cancel out, and no DC offset.
        """
        mean, square = self._sums / max(1, self.frames)
        with np.errstate(invalid="ignore"):  # samples that are too large to be squared
            power = (square - mean**2).clip(0)
        n = len(power) - 1
        uncorrelated = power[1:].sum() / n**2 if n > 1 else 0.0
        cancels = len(self.channels) == 1 and uncorrelated > FAINT**2 and power[0] < CANCELS * uncorrelated
        channel = int(power[1:].argmax()) if cancels else None
        index = 0 if channel is None else channel + 1
        off = self.seconds >= SHORTEST_S and abs(mean[index]) > max(OFFSET * power[index] ** 0.5, FAINT)
        return Mix(channel, float(mean[index]) if off else 0.0)

    def remedies(self, mix: Mix) -> list[str]:
        """Sentences about the repairs by `mix` and the conversion."""
        sentences = []
        if len(self.rates) > 1:
            sentences.append(f"Its sample rate changes from {_list(self.rates)} Hz; all of it was converted.")
        if len(self.channels) > 1:
            sentences.append(f"Its number of channels changes from {_list(self.channels)}.")
        if mix.channel is not None:
            sentences.append(f"Its channels are out of phase and cancel out when mixed: only channel {mix.channel + 1} was kept.")
        if mix.offset:
            sentences.append(f"It had a DC offset of {100 * abs(mix.offset):.2g} % of full scale, which was removed.")
        return sentences

    def too_long(self, seconds: float) -> InputError:
        """The error for a recording of more than this many seconds."""
        most = f"{seconds:g} s" if seconds < 600 else f"{seconds / 3600:.1f} hours"
        return InputError(f"{self.name} is longer than {most}, the most that is accepted here: shorten it.")

    def no_sound(self) -> InputError:
        """The error for a recording without samples."""
        return InputError(f"{self.name} holds no sound: its length is {self.frames} samples. Choose a longer recording.")

    def _check_shape(self, rate: int, channels: int) -> None:
        if not RATES_HZ[0] <= rate <= RATES_HZ[1]:
            raise InputError(f"{self.name} has a sample rate of {rate} Hz; {RATES_HZ[0]:,} to {RATES_HZ[1]:,} Hz can be read.")
        if not 1 <= channels <= MAX_CHANNELS:
            raise InputError(f"{self.name} has {channels} channels; 1 to {MAX_CHANNELS} can be read.")
        if not self.channels:
            self._sums = np.zeros((2, 1 + channels))
        if rate not in self.rates:
            self.rates.append(rate)
        if channels not in self.channels:
            self.channels.append(channels)


def _moments(samples: np.ndarray) -> tuple[float, float]:
    """[n] -> the sums of the samples and of their squares."""
    with np.errstate(over="ignore"):
        return float(samples.sum()), float(np.dot(samples, samples))


def _list(numbers: list[int]) -> str:
    return " to ".join(f"{number:,}" for number in numbers)
