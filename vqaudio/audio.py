"""Read any audio as float32 mono at one rate, and report problems in words.

Files are read in blocks, mixed down and resampled as they stream, so that an hour takes no more memory than its result.
The format follows from the bytes of a file; its name is never trusted.
"""

import io
import itertools
import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vqaudio.errors import InputError
from vqaudio.files import check_folder, replace_file
from vqaudio.mixdown import Meter, Mix
from vqaudio.progress import bar
from vqaudio.sound_files import BLOCK, Samples, SoundFile

SILENCE_DB = -80.0
QUIET_DB = -40.0
MAX_SAMPLES = 2**28  # of one recording at the target rate: 9 hours at 8 kHz, 1.5 at 48 kHz; 1 GB
LOUDEST = 8.0  # decoders overshoot by less; a larger float is probably an unscaled integer
TRIM_DB = -40.0  # below the loudest 20 ms, an end of the recording counts as silence
TRIM_MARGIN_S = 0.05
FORMATS = {".wav": "WAV", ".flac": "FLAC"}

Source = str | os.PathLike | bytes | tuple[int, np.ndarray]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InputReport:
    """Facts about an input.

    Attributes:
        sample_rate_hz, channels: of the source.
        duration_s: of the source, before trimming.
        peak: the largest magnitude in any channel; 1.0 is full scale, a float file may exceed it.
        clipped_share: the share of samples, 0 to 1, on a flat top at full scale.
        trimmed_s: seconds of silence cut from the ends.
        sentences: the facts in plain words, the most important last.
        damage: the sentences about missing or damaged parts of the file.
        remedies: the sentences about changes to the sound: a DC offset removed, or channels that cancel out left out.
    """

    sample_rate_hz: int
    channels: int
    duration_s: float
    peak: float
    clipped_share: float
    trimmed_s: float
    sentences: tuple[str, ...]
    damage: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()


def load(
    source: Source, sample_rate: int, *, trim: bool = False, max_seconds: float | None = None
) -> tuple[Tensor, InputReport]:
    """Read any audio as mono at `sample_rate` Hz.

    Args:
        source: a path, a file's bytes, or (Hz, samples [N] or [N, channels]: integers at full scale or floats in [-1, 1]).
        trim: cut silence from both ends.
        sample_rate: Hz of the result.
        max_seconds: the longest recording that is accepted; reading stops there.

    Returns:
        float32 [1, N] in [-1, 1], N >= 1, and a report on the input. Floats beyond full scale are scaled down to fit.

    Raises:
        InputError: no such file, not audio, damaged, empty, too long, or NaN or infinite samples.
    """
    limit = min(math.inf if max_seconds is None else max_seconds, MAX_SAMPLES / sample_rate)
    audio, meter, damage = _read(source, sample_rate, limit, Mix())
    mix = meter.remedy()
    if mix != Mix():
        del audio
        audio = _read(source, sample_rate, limit, mix)[0]
    if len(audio) == 0:
        raise meter.no_sound()
    peak = max(audio.max(), -audio.min()) if mix.offset else meter.peak
    audio *= 1 / max(float(peak), 1.0)
    np.clip(audio, -1, 1, out=audio)  # the resampler overshoots a little at full scale
    trimmed_s = 0.0
    if trim:
        start, stop = _sounding(audio, sample_rate)
        trimmed_s = (len(audio) - (stop - start)) / sample_rate
        audio = audio[start:stop].copy()
    return torch.from_numpy(audio)[None], _report(meter, mix, trimmed_s, sample_rate, tuple(damage))


def read(source: Source, sample_rate: int) -> Tensor:
    """Load audio [1, N] without the report; see `load`.

    Problems with the recording go to the log, which is stderr by default.
    """
    audio, report = load(source, sample_rate)
    for sentence in (*report.damage, *report.remedies):
        _log.warning("%s: %s", source if isinstance(source, str | os.PathLike) else "The recording", sentence)
    return audio


def inspect(source: Source) -> InputReport:
    """Report on an input without keeping it, so it may last for days.

    Raises the InputErrors of `load`.
    """
    with _opened(source) as sound, bar("reading", None, " samples") as progress:
        meter = Meter(sound.name, math.inf, Mix())
        for rate, block in sound:
            meter.measure(rate, block)
            progress.update(len(block))
    if meter.frames == 0:
        raise meter.no_sound()
    return _report(meter, meter.remedy(), 0.0, meter.rates[0], tuple(sound.problems))


def save(path: str | os.PathLike, audio: Tensor, sample_rate: int) -> None:
    """Write audio as 16-bit WAV or FLAC, by the suffix of the path.

    The file is written whole or not at all.

    Args:
        path: ends in .wav or .flac.
        audio: [1, N] or [N] in [-1, 1]; samples beyond full scale are clipped.
        sample_rate: Hz.

    Raises:
        InputError: another suffix, no such folder, more than one clip, or NaN or infinite samples.
    """
    import soundfile

    path = Path(path)
    kind = check_target(path)
    samples = _mono(audio)
    file = io.BytesIO()  # not the disk: soundfile does not report a full disk
    with soundfile.SoundFile(file, "w", sample_rate, 1, "PCM_16", format=kind) as sound:
        for start in range(0, len(samples), BLOCK):
            sound.write(to_int16(samples[start : start + BLOCK]))
    replace_file(path, lambda temporary: temporary.write_bytes(file.getbuffer()))


def check_target(path: Path) -> str:
    """The format that `save` would write to this path. Raises InputError if it cannot."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path} should end in {' or '.join(FORMATS)}: these are the formats that can be written.")
    check_folder(path)
    return FORMATS[path.suffix.lower()]


def to_int16(audio: Tensor | np.ndarray) -> np.ndarray:
    """Convert audio in [-1, 1] to int16 [N] at the same level, clipping at full scale.

    Takes [N], [1, N] or [1, 1, N]. Raises InputError for NaN or infinite samples.
    """
    samples = _mono(audio)
    if not np.isfinite(samples).all():
        raise InputError("The audio holds NaN or infinite samples.")
    scaled = samples * np.float32(32768)
    return np.clip(np.rint(scaled, out=scaled), -32768, 32767, out=scaled).astype(np.int16)


def _mono(audio: Tensor | np.ndarray) -> np.ndarray:
    """[N], [1, N] or [1, 1, N] -> float32 [N]."""
    samples = np.asarray(audio.detach().cpu() if isinstance(audio, Tensor) else audio, dtype=np.float32)
    if samples.ndim == 0 or samples.size != samples.shape[-1]:
        raise InputError(f"One mono clip is [1, N]; this is {list(samples.shape)}.")
    return samples.reshape(-1)


def float_samples(audio: Tensor) -> Tensor:
    """Convert samples of any floating-point type to float32.

    Raises:
        InputError: integers, NaN or infinite samples, or samples so far beyond [-1, 1] that they must be unscaled integers.
    """
    audio = torch.as_tensor(audio)
    if not audio.is_floating_point():
        kind = str(audio.dtype).removeprefix("torch.")
        raise InputError(f"Samples are floats in [-1, 1]; these are {kind}: divide them by full scale, 32768 for int16.")
    audio = audio.to(torch.float32)
    peak = float(max(-audio.min(), audio.max())) if audio.numel() else 0.0  # NaN passes through both
    if not math.isfinite(peak):
        raise InputError("The audio holds NaN or infinite samples.")
    if peak > LOUDEST:
        raise InputError(f"Samples are floats in [-1, 1]; one is {peak:,.0f}: divide them by full scale, 32768 for int16.")
    return audio


def resample(audio: Tensor, source_hz: int, target_hz: int) -> Tensor:
    """Resample one clip [1, N] from one rate to another; the result is on the CPU."""
    samples = audio.detach().cpu().numpy()[0].astype(np.float32)
    return torch.from_numpy(_resampled(iter([(source_hz, samples)]), target_hz))[None]


def active_level_db(audio: Tensor, lengths: Tensor, sample_rate: int) -> Tensor:
    """Measure the active level of each clip, in steps of 0.5 dB re full scale.

    It is the mean power of the 20 ms frames within 20 dB of the loudest one, so pauses do not count, and scaling a clip changes
    the level by exactly the gain. Silence is -80 dB.

    Args:
        audio: [B, 1, N].
        lengths: [B] samples of each clip.
        sample_rate: Hz.

    Returns:
        [B] dB re full scale.
    """
    frame = sample_rate // 50
    power, count = zip(*_frame_power(audio[:, 0], lengths, frame))
    power, count = torch.cat(power, -1), torch.cat(count, -1)
    loudness = power / count.clamp_min(frame / 4)
    active = loudness >= loudness.amax(-1, keepdim=True) * 0.01
    mean = (power * active).sum(-1) / (count * active).sum(-1).clamp_min(1)
    level = 10 * mean.clamp_min(10 ** (SILENCE_DB / 10)).log10()
    return (level * 2).round() / 2


def _frame_power(audio: Tensor, lengths: Tensor, frame: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Audio [B, N] -> the sum of squares and the number of samples of each frame, [B, F] both, block by block."""
    step = frame * 2**13
    for start in range(0, audio.shape[-1], step):
        block = audio[:, start : start + step]
        frames = torch.nn.functional.pad(block, (0, -block.shape[-1] % frame)).unflatten(-1, (-1, frame))
        begins = start + frame * torch.arange(frames.shape[1], device=audio.device)
        count = (lengths[:, None] - begins).clamp(0, frame)
        inside = torch.arange(frame, device=audio.device, dtype=torch.int32) < count[..., None]
        yield frames.square().mul_(inside).sum(-1), count


# Reading: blocks (Hz, float32 [n, channels]) are mixed, measured and resampled in turn.


def _read(source: Source, sample_rate: int, max_seconds: float, mix: Mix) -> tuple[np.ndarray, Meter, list[str]]:
    """The whole sound as float32 [N], its measurements, and sentences about damage."""
    with _opened(source) as sound, bar("reading", None, " samples") as progress:
        meter = Meter(sound.name, max_seconds, mix)
        return _resampled(_measured(sound, meter, sample_rate, progress), sample_rate), meter, sound.problems


def _measured(sound: SoundFile | Samples, meter: Meter, sample_rate: int, progress) -> Iterator[tuple[int, np.ndarray]]:
    """(Hz, [n]) of each block."""
    for rate, block in sound:
        if sound.claimed_s is not None and sound.claimed_s > MAX_SAMPLES / sample_rate:
            raise meter.too_long(MAX_SAMPLES / sample_rate)
        yield rate, meter.measure(rate, block)
        progress.update(len(block))


@contextmanager
def _opened(source: Source) -> Iterator[SoundFile | Samples]:
    if isinstance(source, tuple):
        yield Samples("The recording", source)
    elif isinstance(source, bytes | bytearray):
        yield SoundFile("The recording", io.BytesIO(source), len(source))
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.is_dir():
            raise InputError(f"{path} is a folder; choose an audio file in it.")
        if not path.exists():
            raise InputError(f"There is no file {path}.")
        if not path.is_file():
            raise InputError(f"{path} is not a regular file.")
        try:
            file = path.open("rb")
        except OSError as error:
            raise InputError(f"{path} cannot be opened: {error.strerror}.") from None
        with file:
            yield SoundFile(str(path), file, path.stat().st_size)
    else:
        raise InputError("There is no recording: give a file, its bytes, or a pair (sample rate, samples).")


def _resampled(blocks: Iterator[tuple[int, np.ndarray]], wanted: int) -> np.ndarray:
    """Consecutive blocks (Hz, [n]) -> one array [N] at `wanted` Hz."""
    parts = []
    for rate, run in itertools.groupby(blocks, key=lambda block: block[0]):
        if rate == wanted:
            parts += [np.array(block, np.float32) for _, block in run]
            continue
        import soxr

        stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32", quality="HQ")
        parts += [stream.resample_chunk(np.ascontiguousarray(block)) for _, block in run]
        parts.append(stream.resample_chunk(np.zeros(0, np.float32), last=True))
    return _joined(parts)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """Join arrays [n], freeing each once it is copied, so that an hour is never in memory twice; empties the list."""
    whole = np.empty(sum(map(len, parts)), np.float32)
    end = len(whole)
    while parts:
        part = parts.pop()
        whole[end - len(part) : end] = part
        end -= len(part)
    return whole


def _sounding(audio: np.ndarray, rate: int) -> tuple[int, int]:
    """Start and end of the sound in [N], with a margin; everything if all is silent."""
    frame = max(1, rate // 50)
    starts = np.arange(0, len(audio), frame)
    power = np.add.reduceat(np.square(audio), starts) / np.minimum(frame, len(audio) - starts)
    loud = np.flatnonzero(power > max(power.max() * 10 ** (TRIM_DB / 10), 10 ** (SILENCE_DB / 10)))
    if not len(loud):
        return 0, len(audio)
    margin = round(TRIM_MARGIN_S * rate)
    return max(0, int(loud[0]) * frame - margin), min(len(audio), (int(loud[-1]) + 1) * frame + margin)


def _report(meter: Meter, mix: Mix, trimmed_s: float, wanted: int, damage: tuple[str, ...]) -> InputReport:
    facts = meter.rates[0], meter.channels[0], meter.seconds, meter.peak, meter.flat / meter.samples, trimmed_s
    remedies = tuple(meter.remedies(mix))
    sentences = tuple(_sentences(meter, mix, trimmed_s, wanted, (*damage, *remedies)))
    return InputReport(*facts, sentences, damage, remedies)


def _sentences(meter: Meter, mix: Mix, trimmed_s: float, wanted: int, problems: tuple[str, ...]) -> Iterator[str]:
    rate, channels = meter.rates[0], meter.channels[0]
    yield f"The recording lasts {meter.seconds:.2f} s."
    yield from problems
    if rate < wanted:
        yield f"It was recorded at {rate:,} Hz, so it holds nothing above {rate // 2:,} Hz; converted to {wanted:,} Hz."
    elif rate > wanted:
        yield f"It was recorded at {rate:,} Hz; converted to {wanted:,} Hz, so what is above {wanted // 2:,} Hz is gone."
    if channels > 1 and mix.channel is None:
        yield f"Its {channels} channels were mixed to one."
    if trimmed_s > 0:
        yield f"{trimmed_s:.2f} s of silence was cut from its ends."
    peak_db = 20 * math.log10(max(meter.peak, 1e-9))
    if peak_db < SILENCE_DB:
        yield "It is silent: check the microphone."
        return
    yield f"The loudest sample is at {peak_db:.1f} dBFS."
    if meter.peak > 1:
        yield f"That is beyond full scale, so it was turned down by {peak_db:.1f} dB."
    if (clipped_share := meter.flat / meter.samples) >= 1e-4:
        yield f"{100 * clipped_share:.2g} % of its samples are clipped: record it more softly."
    if peak_db < QUIET_DB:
        yield "It is very quiet: move closer to the microphone."
