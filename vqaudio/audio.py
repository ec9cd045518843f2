"""Any file or array <-> float32 mono at a rate, and what was wrong with the input, in words.

Files are read in blocks, mixed down and resampled as they stream, so that an hour takes no more memory than its result.
What a file is, its bytes say; its name is never trusted.
"""

import io
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
from vqaudio.hub import check_folder, replace_file
from vqaudio.progress import bar

SILENCE_DB = -80.0
QUIET_DB = -40.0
RATES_HZ = (2_000, 400_000)  # a wrong header must not make one second of sound out of one sample
MAX_CHANNELS = 64
BLOCK = 2**20  # samples, over all channels, that are read at a time
TRIM_DB = -40.0  # below the loudest 20 ms, an end of the recording counts as silence
TRIM_MARGIN_S = 0.05
FORMATS = {".wav": "WAV", ".flac": "FLAC"}
# The containers that PyAV may open. Playlists and the like are left out: they would make the reader open other files.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mp3,aac,ogg,flac,wav,aiff,caf,w64,amr,asf,adts,au"

Source = str | os.PathLike | bytes | tuple[int, np.ndarray]


@dataclass(frozen=True)
class InputReport:
    """What an input was.

    Attributes:
        sample_rate_hz, channels: of the source.
        duration_s: of the source, before trimming.
        peak: the largest magnitude in any channel; 1.0 is full scale, a float file may exceed it.
        clipped_share: the share of samples, 0 to 1, on a flat top at full scale.
        trimmed_s: seconds of silence cut from the ends.
        sentences: what is worth knowing, in plain words, the most important last.
    """

    sample_rate_hz: int
    channels: int
    duration_s: float
    peak: float
    clipped_share: float
    trimmed_s: float
    sentences: tuple[str, ...]


def load(
    source: Source, sample_rate: int, *, trim: bool = False, max_seconds: float | None = None
) -> tuple[Tensor, InputReport]:
    """Read any audio as mono at `sample_rate` Hz.

    Args:
        source: a path, a file's bytes, or (Hz, samples [N] or [N, channels]: integers at full scale or floats in [-1, 1]).
        trim: cut silence from both ends.
        max_seconds: the longest recording that is accepted; reading stops there.

    Returns:
        float32 [1, N] in [-1, 1], N >= 1, and what the input was. Floats beyond full scale are turned down to fit.

    Raises:
        InputError: no such file, not audio, damaged, empty, too long, NaN or infinite samples.
    """
    with _opened(source) as (name, rate, channels, frames, blocks):
        if not RATES_HZ[0] <= rate <= RATES_HZ[1]:
            raise InputError(f"{name} has a sample rate of {rate} Hz; {RATES_HZ[0]:,} to {RATES_HZ[1]:,} Hz can be read.")
        if not 1 <= channels <= MAX_CHANNELS:
            raise InputError(f"{name} has {channels} channels; 1 to {MAX_CHANNELS} can be read.")
        meter = _Meter(name, rate, max_seconds)
        with bar("reading", frames, " samples") as progress:
            audio = _resampled((meter.measure(block, progress) for block in blocks), rate, sample_rate)
    if len(audio) == 0:
        raise InputError(f"{name} holds no sound: its length is {meter.frames} samples. Choose a longer recording.")
    audio *= 1 / max(meter.peak, 1.0)
    np.clip(audio, -1, 1, out=audio)  # the resampler overshoots a little at full scale
    trimmed_s = 0.0
    if trim:
        start, stop = _sounding(audio, sample_rate)
        trimmed_s = (len(audio) - (stop - start)) / sample_rate
        audio = audio[start:stop].copy()
    facts = rate, channels, meter.frames / rate, meter.peak, meter.flat / (meter.frames * channels), trimmed_s
    return torch.from_numpy(audio)[None], InputReport(*facts, _sentences(*facts, sample_rate))


def save(path: str | os.PathLike, audio: Tensor, sample_rate: int) -> None:
    """Write audio [1, N] in [-1, 1] as 16-bit WAV or FLAC, by the name's ending; the file appears whole or not at all."""
    import soundfile

    path = Path(path)
    kind = check_target(path)
    file = io.BytesIO()  # and not the disk: soundfile does not tell when a disk is full
    soundfile.write(file, to_int16(audio), sample_rate, subtype="PCM_16", format=kind)
    replace_file(path, lambda temporary: temporary.write_bytes(file.getbuffer()))


def check_target(path: Path) -> str:
    """The format that `save` would write here; InputError if it could not."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path} should end in {' or '.join(FORMATS)}: these are the formats that can be written.")
    check_folder(path)
    return FORMATS[path.suffix.lower()]


def to_int16(audio: Tensor | np.ndarray) -> np.ndarray:
    """Audio [N], [1, N] or [1, 1, N] in [-1, 1] -> int16 [N] at the same level; what is beyond full scale is clipped."""
    samples = np.asarray(audio.detach().cpu() if isinstance(audio, Tensor) else audio, dtype=np.float32)
    if samples.ndim == 0 or samples.size != samples.shape[-1]:
        raise InputError(f"One mono clip is [1, N]; this is {list(samples.shape)}.")
    if not np.isfinite(samples).all():
        raise InputError("The audio holds NaN or infinite samples.")
    scaled = samples.reshape(-1) * np.float32(32768)
    return np.clip(np.rint(scaled, out=scaled), -32768, 32767, out=scaled).astype(np.int16)


def active_level_db(audio: Tensor, lengths: Tensor, sample_rate: int) -> Tensor:
    """The level of each clip where it sounds, in steps of 0.5 dB re full scale: audio [B, 1, N], lengths [B] -> [B].

    The mean power of the 20 ms frames within 20 dB of the loudest one; so pauses do not count, and a softer copy of a clip
    is softer by exactly that. Silence is -80 dB.
    """
    frame = sample_rate // 50
    frames = torch.nn.functional.pad(audio[:, 0], (0, -audio.shape[-1] % frame)).unflatten(-1, (-1, frame))
    count = (lengths[:, None] - frame * torch.arange(frames.shape[1], device=audio.device)).clamp(0, frame)
    inside = torch.arange(frame, device=audio.device, dtype=torch.int32) < count[..., None]
    power = frames.square().mul_(inside).sum(-1)
    loudness = power / count.clamp_min(frame / 4)
    active = loudness >= loudness.amax(-1, keepdim=True) * 0.01
    mean = (power * active).sum(-1) / (count * active).sum(-1).clamp_min(1)
    level = 10 * mean.clamp_min(10 ** (SILENCE_DB / 10)).log10()
    return (level * 2).round() / 2


# Reading: each reader yields (name, Hz, channels, frames if known, an iterator over float32 blocks [n, channels]).


@contextmanager
def _opened(source: Source):
    if isinstance(source, tuple):
        yield _from_array(source)
    elif isinstance(source, bytes | bytearray):
        with _from_file("The recording", io.BytesIO(source), len(source)) as opened:
            yield opened
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
        with file, _from_file(str(path), file, path.stat().st_size) as opened:
            yield opened
    else:
        raise InputError("There is no recording: give a file, its bytes, or a pair (sample rate, samples).")


def _from_array(source: tuple[int, np.ndarray]):
    if len(source) != 2 or not isinstance(source[0], int | np.integer):
        raise InputError("An array needs its rate with it: (sample rate in Hz, samples [N] or [N, channels]).")
    samples = np.asarray(source[1])
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "iuf":
        raise InputError(f"Samples are numbers, [N] or [N, channels]; these are {samples.dtype} {list(samples.shape)}.")
    samples = samples.reshape(len(samples), -1) if samples.size else samples.reshape(0, 1)
    step = max(1, BLOCK // samples.shape[1])
    blocks = (_full_scale(samples[i : i + step]) for i in range(0, len(samples), step))
    return "The recording", int(source[0]), samples.shape[1], len(samples), blocks


def _full_scale(samples: np.ndarray) -> np.ndarray:
    """Integers at their type's full scale (unsigned ones around its middle) or floats -> float32."""
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):  # too large for float32: infinite, which the meter refuses
            return samples.astype(np.float32)
    half = 2.0 ** (8 * samples.dtype.itemsize - 1)
    return ((samples - half if samples.dtype.kind == "u" else samples) / half).astype(np.float32)


@contextmanager
def _from_file(name: str, file: io.BufferedIOBase, size: int):
    """libsndfile first, ffmpeg (through PyAV) for what it cannot read."""
    import soundfile

    if size == 0:
        raise InputError(f"{name} is empty: it has no bytes.")
    try:
        sound = soundfile.SoundFile(_Nameless(file))
    except (soundfile.LibsndfileError, TypeError, ValueError):
        file.seek(0)
        with _through_ffmpeg(name, file) as opened:
            yield opened
        return
    with sound:
        yield name, sound.samplerate, sound.channels, sound.frames, _sndfile_blocks(name, sound)


class _Nameless:
    """A file's reading methods without its name, from which readers would guess what it is."""

    def __init__(self, file):
        self.read, self.readinto, self.seek, self.tell = file.read, file.readinto, file.seek, file.tell


def _sndfile_blocks(name: str, sound) -> Iterator[np.ndarray]:
    import soundfile

    step = max(1, BLOCK // sound.channels)
    try:
        while len(block := sound.read(step, dtype="float32", always_2d=True)):
            yield block
    except (soundfile.LibsndfileError, ValueError) as error:
        raise InputError(f"{name} is damaged: {_reason(error)}") from None


@contextmanager
def _through_ffmpeg(name: str, file: io.BufferedIOBase):
    import av

    refusal = InputError(f"{name} is not an audio file that can be read, or it is damaged; use WAV, FLAC, OGG, MP3, M4A or WebM.")
    try:
        container = av.open(_Nameless(file), options={"format_whitelist": CONTAINERS, "protocol_whitelist": ""})
    except (av.FFmpegError, ValueError, OSError):
        raise refusal from None
    with container:
        stream = next(iter(container.streams.audio), None)
        if stream is None or not stream.rate or not stream.channels:
            raise refusal
        yield name, stream.rate, stream.channels, None, _ffmpeg_blocks(name, container, stream)


def _ffmpeg_blocks(name: str, container, stream) -> Iterator[np.ndarray]:
    import av

    to_float = av.AudioResampler(format="fltp", layout=stream.layout, rate=stream.rate)
    try:
        for frame in container.decode(stream):
            for part in to_float.resample(frame):
                yield part.to_ndarray().T
        for part in to_float.resample(None):
            yield part.to_ndarray().T
    except (av.FFmpegError, ValueError) as error:
        raise InputError(f"{name} is damaged: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return text.strip().splitlines()[0].rstrip(".") + "."


class _Meter:
    """Measures what passes, and mixes it down."""

    def __init__(self, name: str, rate: int, max_seconds: float | None):
        self.name, self.max_seconds = name, max_seconds
        self.max_frames = math.inf if max_seconds is None else max_seconds * rate
        self.frames, self.flat, self.peak = 0, 0, 0.0

    def measure(self, block: np.ndarray, progress) -> np.ndarray:
        """float32 [n, channels] -> [n]."""
        if not len(block):
            return block[:, 0]
        self.frames += len(block)
        progress.update(len(block))
        if self.frames > self.max_frames:
            raise InputError(f"{self.name} is longer than {self.max_seconds:g} s, the most that is accepted here: shorten it.")
        top = float(max(block.max(), -block.min()))  # NaN passes through max
        with np.errstate(over="ignore", invalid="ignore"):
            mono = block[:, 0] if block.shape[1] == 1 else block.mean(1)
        if not (math.isfinite(top) and np.isfinite(mono).all()):
            raise InputError(f"{self.name} holds NaN or infinite samples: export it again, as 16-bit WAV.")
        self.peak = max(self.peak, top)
        if top >= 0.99:
            middle = block[1:-1]
            self.flat += int(((np.abs(middle) >= 0.99) & (middle == block[:-2]) & (middle == block[2:])).sum())
        return mono


def _resampled(blocks: Iterator[np.ndarray], rate: int, wanted: int) -> np.ndarray:
    """Blocks [n] at `rate` -> one array [N] at `wanted` Hz."""
    if rate == wanted:
        parts = list(blocks)
    else:
        import soxr

        stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32", quality="HQ")
        parts = [stream.resample_chunk(np.ascontiguousarray(block)) for block in blocks]
        parts.append(stream.resample_chunk(np.zeros(0, np.float32), last=True))
    return np.concatenate(parts).astype(np.float32, copy=False) if parts else np.zeros(0, np.float32)


def _sounding(audio: np.ndarray, rate: int) -> tuple[int, int]:
    """Where [N] begins and ends to sound, with a margin; the whole of it where all is silent."""
    frame = max(1, rate // 50)
    starts = np.arange(0, len(audio), frame)
    power = np.add.reduceat(np.square(audio), starts) / np.minimum(frame, len(audio) - starts)
    loud = np.flatnonzero(power > max(power.max() * 10 ** (TRIM_DB / 10), 10 ** (SILENCE_DB / 10)))
    if not len(loud):
        return 0, len(audio)
    margin = round(TRIM_MARGIN_S * rate)
    return max(0, int(loud[0]) * frame - margin), min(len(audio), (int(loud[-1]) + 1) * frame + margin)


def _sentences(
    rate: int, channels: int, duration_s: float, peak: float, clipped_share: float, trimmed_s: float, wanted: int
) -> tuple[str, ...]:
    told = [f"The recording lasts {duration_s:.2f} s."]
    if rate < wanted:
        told.append(f"It was recorded at {rate:,} Hz, so it holds nothing above {rate // 2:,} Hz; converted to {wanted:,} Hz.")
    elif rate > wanted:
        told.append(f"It was recorded at {rate:,} Hz; converted to {wanted:,} Hz, so what is above {wanted // 2:,} Hz is gone.")
    if channels > 1:
        told.append(f"Its {channels} channels were mixed to one.")
    if trimmed_s > 0:
        told.append(f"{trimmed_s:.2f} s of silence was cut from its ends.")
    peak_db = 20 * math.log10(max(peak, 1e-9))
    if peak_db < SILENCE_DB:
        return (*told, "It is silent: check the microphone.")
    told.append(f"The loudest sample is at {peak_db:.1f} dBFS.")
    if peak > 1:
        told.append(f"That is beyond full scale, so it was turned down by {peak_db:.1f} dB.")
    if clipped_share >= 1e-4:
        told.append(f"{100 * clipped_share:.2g} % of its samples are clipped: record it more softly.")
    if peak_db < QUIET_DB:
        told.append("It is very quiet: move closer to the microphone.")
    return tuple(told)
