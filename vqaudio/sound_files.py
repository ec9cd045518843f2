"""Decode any sound file in blocks, and report missing or damaged parts in words.

FFmpeg (through PyAV) decodes. libsndfile reads the few formats that FFmpeg does not know, and Vorbis, where FFmpeg loses or adds
some samples at the end. The format follows from the bytes.
"""

import math
import re
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from vqaudio import containers
from vqaudio.containers import Part, View
from vqaudio.errors import InputError

BLOCK = 2**20  # samples of a block, over all channels
# The containers that FFmpeg may open. Playlists and the like are left out: they would make it open other files.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mp3,aac,ogg,flac,wav,aiff,caf,w64,amr,asf,adts,au,nistsphere,voc,ircam,iff"
FFMPEG_OPTIONS = {  # max_size is a packet of PCM, probesize the bytes read before decoding
    "format_whitelist": CONTAINERS, "protocol_whitelist": "", "max_size": str(2**20), "probesize": str(2**20),
}
GUESSES = ("aac", "amr", "asf", "voc")  # FFmpeg estimates the lengths of these
LIBSNDFILE = re.compile(
    rb" paf|fap |2BIT|PVF1|MATLAB 5|Extended Instrument|ALawSoundFile|\xf0\x7e|OggS.{22}\x01\x1e\x01vorbis", re.DOTALL
)
KNOWN_KINDS = "WAV, FLAC, OGG, MP3, M4A or WebM"
MAX_FAILED = 1000  # failed packets at the start after which decoding gives up
SLACK_S, SLACK = 0.1, 3000  # seconds and samples that codecs add or cut at the ends

Block = tuple[int, np.ndarray]  # sample rate in Hz, float32 [n, channels]


class SoundFile:
    """The samples of an open file, block by block; iterate once.

    Attributes:
        claimed_s: duration that the file states, known with the first block; None if it states none.
        problems: sentences about missing or damaged parts or wrong headers; complete after the last block.

    Raises:
        InputError: while iterating, if there is no sound that can be decoded.
    """

    def __init__(self, name: str, file: BinaryIO, size: int):
        self.name, self.file, self.size = name, file, size
        self.problems: list[str] = []
        self.claimed_s: float | None = None
        self._read_s = self._missing_s = self._damaged_s = 0.0
        self._slack_s, self._breaks_off = SLACK_S, False

    def __iter__(self) -> Iterator[Block]:
        for part in self._parts():
            before, self._breaks_off = self._read_s, False
            try:
                for rate, block in self._part(part):
                    self._read_s += len(block) / rate
                    self._slack_s = max(self._slack_s, SLACK / rate)
                    yield rate, block
            except InputError as error:
                if not before:
                    raise
                self.problems.append(f"What follows the first {before:.2f} s is left out. {error}")
                break
            self._count_missing(part, self._read_s - before)
        self._say_what_is_missing()

    def _parts(self) -> list[Part]:
        if self.size == 0:
            raise InputError(f"{self.name} is empty: it has no bytes.")
        try:
            parts = containers.parts(self.file, self.size)
        except containers.TooManyChunks:
            most = f"{containers.MAX_CHUNKS:,} chunks"
            raise InputError(f"{self.name} is not an audio file: it is made of more than {most}.") from None
        if len(parts) > containers.MAX_PARTS:
            raise InputError(f"{self.name} is more than {containers.MAX_PARTS:,} recordings in one: split it.")
        return parts

    def _count_missing(self, part: Part, read_s: float) -> None:
        if not self._read_s and self._breaks_off:
            raise self._refusal(part)
        self._breaks_off |= containers.lacks_end_mark(self.file, part)
        if part.claimed is not None and part.there:
            self._missing_s += read_s * (part.claimed / part.there - 1)
        elif self._stated_s is not None:
            self._missing_s += self._stated_s - read_s

    def _part(self, part: Part) -> Iterator[Block]:
        import av

        self._stated_s = None
        if LIBSNDFILE.match(View(self.file, part).read(64)):
            yield from self._through_libsndfile(part)
            return
        if containers.promises_too_much(self.file, part):
            raise self._refusal(part)
        try:
            container = av.open(View(self.file, part), options=FFMPEG_OPTIONS)
        except (av.FFmpegError, ValueError, OSError):
            raise self._refusal(part) from None
        with container:
            stream = next(iter(container.streams.audio), None)
            if stream is None or stream.codec_context is None or not stream.rate or not stream.channels:
                raise self._refusal(part)
            if (tracks := len(container.streams.audio)) > 1:
                self.problems.append(f"It has {tracks} audio tracks; the first was read.")
            self._stated_s = self._stated(container, stream, part)
            if self.claimed_s is None and part.claimed in (None, part.there):
                self.claimed_s = self._stated_s
            yield from _gathered(self._decoded(container, stream))

    def _stated(self, container, stream, part: Part) -> float | None:
        """Duration in seconds that the container states."""
        if container.format.name == "mp3":
            return _seconds_in_table(View(self.file, part), stream.rate)
        if container.format.name in GUESSES:
            return None
        if stream.duration is not None:
            return float(stream.duration * stream.time_base)
        alone = len(container.streams) == 1  # else it may be the length of the video
        return container.duration / 1e6 if alone and container.duration is not None else None

    def _decoded(self, container, stream) -> Iterator[Block]:
        """Every frame that can be decoded."""
        import av

        stream.codec_context.options = {"err_detect": "crccheck"}
        packets, packet, failed = container.demux(stream), None, 0
        while failed < MAX_FAILED:
            try:
                packet = None
                packet = next(packets, None)
                if packet is None:
                    return
                frames = packet.decode()
            except (av.FFmpegError, ValueError, OSError):
                self._damaged_s += _seconds(packet)
                self._breaks_off, failed = True, failed + 1
                continue
            for frame in frames:
                self._breaks_off, failed = False, -math.inf
                if frame.sample_rate and frame.samples:
                    yield frame.sample_rate, _samples(frame)

    def _through_libsndfile(self, part: Part) -> Iterator[Block]:
        import soundfile

        try:
            sound = soundfile.SoundFile(View(self.file, part))
        except (soundfile.LibsndfileError, TypeError, ValueError):
            raise self._refusal(part) from None
        with sound:
            step = max(1, BLOCK // sound.channels)
            try:
                while len(block := sound.read(step, dtype="float32", always_2d=True)):
                    yield sound.samplerate, block
            except (soundfile.LibsndfileError, ValueError):
                self._breaks_off = True

    def _refusal(self, part: Part) -> InputError:
        if containers.lacks_index(self.file, part):
            return InputError(f"{self.name} is cut short, and the index that MP4 files keep at their end is lost: copy it again.")
        return InputError(f"{self.name} is not an audio file that can be read, or it is damaged; use {KNOWN_KINDS}.")

    def _say_what_is_missing(self) -> None:
        stated_s = self._read_s + self._missing_s
        if self._missing_s > self._slack_s:
            self.problems.append(f"It is incomplete: {self._read_s:.2f} of {stated_s:.2f} s can be read.")
        elif self._damaged_s > self._slack_s:
            self.problems.append(f"Some of it is damaged: about {self._damaged_s:.2f} s were skipped.")
        elif self._breaks_off:
            self.problems.append("Its end is missing: the file breaks off in the middle of the sound.")
        if self._missing_s < -self._slack_s:
            self.problems.append(f"Its header says {stated_s:.2f} s, but it holds {self._read_s:.2f} s; all of it was read.")


class Samples:
    """The samples of an array, with the interface of `SoundFile`.

    Args:
        name: for messages.
        source: (Hz, samples [N] or [N, channels]: integers at full scale or floats in [-1, 1]).

    Raises:
        InputError: another form.
    """

    claimed_s = None

    def __init__(self, name: str, source: tuple):
        if len(source) != 2 or not isinstance(source[0], int | np.integer):
            raise InputError("An array needs its rate with it: (sample rate in Hz, samples [N] or [N, channels]).")
        samples = np.asarray(source[1])
        if samples.ndim not in (1, 2) or samples.dtype.kind not in "iuf":
            raise InputError(f"Samples are numbers, [N] or [N, channels]; these are {samples.dtype} {list(samples.shape)}.")
        self.name, self.problems, self.rate = name, [], int(source[0])
        self.samples = samples.reshape(len(samples), -1) if samples.size else samples.reshape(0, 1)

    def __iter__(self) -> Iterator[Block]:
        step = max(1, BLOCK // self.samples.shape[1])
        for i in range(0, max(1, len(self.samples)), step):
            yield self.rate, full_scale(self.samples[i : i + step])


def _gathered(frames: Iterator[Block]) -> Iterator[Block]:
    """The same samples in larger blocks; a block has one rate and one number of channels."""
    held: list[np.ndarray] = []
    rate, count = 0, 0
    for new_rate, samples in frames:
        if held and (new_rate != rate or samples.shape[1] != held[0].shape[1] or count >= BLOCK):
            yield rate, _whole(held)
            held, count = [], 0
        rate, count = new_rate, count + samples.size
        held.append(samples)
    if held:
        yield rate, _whole(held)


def _whole(held: list[np.ndarray]) -> np.ndarray:
    return held[0] if len(held) == 1 else np.concatenate(held)


def _samples(frame) -> np.ndarray:
    """A decoded frame -> float32 [n, channels]."""
    if frame.format.name.startswith("s64"):  # PyAV cannot convert it to NumPy
        import av

        frame = av.AudioResampler(format="dbl").resample(frame)[0]
    samples = frame.to_ndarray()
    return full_scale(samples.T if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels))


def full_scale(samples: np.ndarray) -> np.ndarray:
    """Convert samples to float32 in [-1, 1].

    Integers at their dtype's full scale, unsigned ones around its middle, or floats.
    """
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):  # too large for float32 becomes infinite, which the meter refuses
            return samples.astype(np.float32, copy=False)
    half = 2.0 ** (8 * samples.dtype.itemsize - 1)
    if samples.dtype.kind == "u":
        return ((samples - half) / half).astype(np.float32)
    return np.multiply(samples, np.float32(1 / half), dtype=np.float32)


def _seconds(packet) -> float:
    known = packet is not None and packet.duration and packet.time_base
    return float(packet.duration * packet.time_base) if known else 0.0


def _seconds_in_table(view: View, rate: int) -> float | None:
    """Duration in seconds from the table in an MP3's first frame; None without a table."""
    view.seek(containers.tag_size(view.read(10)))
    head = view.read(2048)
    match = re.search(rb"(?:Xing|Info)...[\x01\x03\x05\x07\x09\x0b\x0d\x0f](....)|VBRI.{10}(....)", head, re.DOTALL)
    if match is None:
        return None
    return int.from_bytes(match[1] or match[2]) * (1152 if rate >= 32_000 else 576) / rate
