"""Find the recordings in a file, whatever its header says.

Decoders believe headers. A recorder that crashed leaves a size of zero, a stream an unknown size, an interrupted copy a size that
is too large, and two files joined by `cat` the size of the first. `parts` finds one span for each recording in the file, and
corrects its header, so that a decoder can read it as a separate file.
"""

import itertools
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

MAX_PARTS = 1000
MAX_CHUNKS = 250_000  # in sequence; a decoder would walk through millions
PACKETS = 2**21  # of an MP4 file: always accepted
DEPTH = 10  # of boxes in boxes; a decoder refuses more
UNKNOWN = 0x7FFFF000  # programs that write to a pipe state this size or more, up to 2^32 - 1, or -1
STRAY = 1024  # fewer bytes after the sound are not sound
PADDING = 2**16  # up to this many zero bytes after the sound are not sound
SCANNED = 2**20  # bytes searched at a time
TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICSBEGIN")
_W64 = bytes.fromhex("2e91cf11a5d628db04c10000"), bytes.fromhex("f3acd3118cd100c04f8edb8a")


@dataclass(frozen=True)
class Layout:
    """A container of chunks, each with its name and size in front.

    Attributes:
        magic: a pattern of its first bytes.
        first: offset of the first chunk.
        header: of a chunk: name, size.
        sound: the name of the chunk with the sound.
        align: chunks start at multiples of this many bytes.
        counts_header: whether a chunk's size includes its header.
    """

    magic: bytes
    first: int
    header: struct.Struct
    sound: bytes
    align: int = 2
    counts_header: bool = False


LAYOUTS = (
    Layout(rb"(RIFF|RF64|BW64)....WAVE", 12, struct.Struct("<4sI"), b"data"),
    Layout(rb"RIFX....WAVE", 12, struct.Struct(">4sI"), b"data"),
    Layout(rb"FORM....AIF[FC]", 12, struct.Struct(">4sI"), b"SSND"),
    Layout(rb"caff", 8, struct.Struct(">4sq"), b"data", 1),
    Layout(rb"riff" + re.escape(_W64[0]), 40, struct.Struct("<16sq"), b"data" + _W64[1], 8, True),
)
_MP4 = rb"....ftyp"
_NESTED = frozenset(b"moov trak mdia minf stbl moof traf mvex udta meta edts dinf tref wave ilst sinf schi gmhd".split())
_COUNTS = {b"stsz": 8, b"stz2": 8, b"trun": 4}  # offset of the number of packets in these boxes
_SCANNED = (rb"fLaC[\x00\x80]\x00\x00\x22", rb"\x1aE\xdf\xa3.{1,60}?(webm|matroska)")  # no sizes lead from one to the next
_OGG = rb"OggS\x00[\x02\x06]"  # the first page of a stream


class TooManyChunks(Exception):
    """A container of more than MAX_CHUNKS chunks or boxes."""


@dataclass(frozen=True)
class Part:
    """A recording in a file: the bytes from `start` to `end`, some replaced.

    Attributes:
        patches: bytes to put in place of those at an offset from `start`.
        claimed, there: bytes of sound that the header states, and that exist; `claimed` is None if it states none.
    """

    start: int
    end: int
    patches: dict[int, bytes] = field(default_factory=dict)
    claimed: int | None = None
    there: int = 0


class View:
    """A file object over a part of a file.

    It has no name, from which decoders would guess a format.
    """

    def __init__(self, file: BinaryIO, part: Part):
        self._file, self._part, self._at = file, part, 0

    def read(self, n: int = -1) -> bytes:
        size = self._part.end - self._part.start
        n = max(0, size - self._at) if n < 0 else max(0, min(n, size - self._at))
        self._file.seek(self._part.start + self._at)
        data = self._file.read(n)
        for at, patch in self._part.patches.items():
            if self._at < at + len(patch) and at < self._at + len(data):
                data = b"".join(_patched(data, self._at, at, patch))
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = (0, self._at, self._part.end - self._part.start)[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at


def _patched(data: bytes, at: int, start: int, patch: bytes) -> Iterator[bytes]:
    """`data`, which starts at offset `at`, with the part that overlaps the patch at `start` replaced."""
    first, last = max(start, at), min(start + len(patch), at + len(data))
    yield data[: first - at]
    yield patch[first - start : last - start]
    yield data[last - at :]


def parts(file: BinaryIO, size: int) -> list[Part]:
    """Find the recordings in a file of this size, one after the other.

    Returns the first MAX_PARTS + 1 if there are more.

    Raises:
        TooManyChunks.
    """
    begin = _skip_tag(file)
    head = _bytes(file, begin, 80)
    layout = next((layout for layout in LAYOUTS if re.match(layout.magic, head, re.DOTALL)), None)
    if layout:
        return list(itertools.islice(_chunked(file, begin, size, layout), MAX_PARTS + 1))
    if re.match(_MP4, head, re.DOTALL):
        later = _later_films(file, begin, size)
    elif re.match(_OGG, head, re.DOTALL):
        later = _later_links(file, begin, size)
    else:
        pattern = next((pattern for pattern in _SCANNED if re.match(pattern, head, re.DOTALL)), None)
        later = _found(file, begin + 1, size, pattern) if pattern else ()
    starts = [begin, *itertools.islice(later, MAX_PARTS)]
    return [Part(start, end) for start, end in zip(starts, [*starts[1:], size])]


def tag_size(head: bytes) -> int:
    """Bytes of the ID3v2 tag that starts with these 10 bytes; 0 if there is none."""
    if len(head) < 10 or head[:3] != b"ID3":
        return 0
    return 10 + sum((byte & 127) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0)))


def lacks_index(file: BinaryIO, part: Part) -> bool:
    """Whether this is an MP4 file without its index, which is usually at the end."""
    if _bytes(file, part.start + 4, 4) != b"ftyp":
        return False
    names = {name for name, *_ in _atoms(file, part.start, part.end)}
    return b"mdat" in names and b"moov" not in names


def promises_too_much(file: BinaryIO, part: Part) -> bool:
    """Whether an MP4 file's tables list more packets than it has bytes.

    A decoder would allocate gigabytes for them.
    """
    try:
        boxes = list(itertools.islice(_boxes(file, part.start, part.end), MAX_CHUNKS + 1))
    except TooManyChunks:
        return True
    packets = sum(int.from_bytes(_bytes(file, body + _COUNTS[name], 4)) for name, body in boxes if name in _COUNTS)
    return len(boxes) > MAX_CHUNKS or packets > max(part.end - part.start, PACKETS)


def lacks_end_mark(file: BinaryIO, part: Part) -> bool:
    """Whether this is an Ogg stream whose last page is missing or cut."""
    if _bytes(file, part.start, 4) != b"OggS":
        return False
    start = max(part.start, part.end - 2**17)  # a page has 65,307 bytes at most
    tail = _bytes(file, start, part.end - start)
    at = tail.rfind(b"OggS\x00")
    return not 0 <= at < len(tail) - 27 or not tail[at + 5] & 4 or at + _page_size(tail[at:]) > len(tail)


def _bytes(file: BinaryIO, at: int, n: int) -> bytes:
    file.seek(at)
    return file.read(n)


def _skip_tag(file: BinaryIO) -> int:
    """Offset of the container: some programs put an ID3v2 tag before it."""
    end = tag_size(_bytes(file, 0, 10))
    return end if _bytes(file, end, 4) in (b"fLaC", b"RIFF", b"FORM", b"OggS") else 0


def _chunked(file: BinaryIO, start: int, size: int, layout: Layout) -> Iterator[Part]:
    """The parts of a container of chunks; the last one may have no chunk of sound."""
    while start < size:
        at = _sound_chunk(file, start, size, layout)
        if at is None:
            yield Part(start, size)
            return
        part = _bounded(file, start, at, size, layout)
        yield part
        start = part.end


def _sound_chunk(file: BinaryIO, start: int, size: int, layout: Layout) -> int | None:
    for name, at, _ in _chunks(file, start + layout.first, size, layout):
        if name == layout.sound:
            return at
    return None


def _chunks(file: BinaryIO, at: int, size: int, layout: Layout) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of each chunk from `at` to the first invalid one."""
    for _ in range(MAX_CHUNKS):
        if at + layout.header.size > size:
            return
        name, n = layout.header.unpack(_bytes(file, at, layout.header.size))
        end = at + n + (0 if layout.counts_header else layout.header.size)
        yield name, at, end
        if end <= at or not name[:4].isascii() or not name[:4].decode().isprintable():
            return
        at = end + -end % layout.align
    raise TooManyChunks


def _bounded(file: BinaryIO, start: int, at: int, size: int, layout: Layout) -> Part:
    """The part from `start` whose sound is in the chunk at `at`."""
    begin = at + layout.header.size
    _, claimed = layout.header.unpack(_bytes(file, at, layout.header.size))
    if layout.counts_header:
        claimed -= layout.header.size
    if _bytes(file, start, 4) in (b"RF64", b"BW64") and claimed == 2**32 - 1:
        claimed = _long_size(file, start, size, layout)
    there = size - begin
    if claimed > there:
        unknown = claimed >= UNKNOWN and layout.header.size == 8
        return Part(start, size, {}, None if unknown else claimed, there)
    end = _end_of(file, begin + claimed, size, layout) if claimed >= 0 else None
    if end is None and claimed > 0 and there - claimed < STRAY:
        end = size
    if end is not None:
        return Part(start, end, {}, claimed, claimed)
    return Part(start, size, _patches(file, start, at, there, layout), None if claimed < 0 else claimed, there)


def _long_size(file: BinaryIO, start: int, size: int, layout: Layout) -> int:
    """Bytes of sound from the chunk ds64 of a RIFF file beyond 4 GB; -1 without that chunk."""
    at = next((at for name, at, _ in _chunks(file, start + layout.first, size, layout) if name == b"ds64"), None)
    stated = b"" if at is None else _bytes(file, at + 16, 8)
    return int.from_bytes(stated, "little") if len(stated) == 8 else -1


def _end_of(file: BinaryIO, at: int, size: int, layout: Layout) -> int | None:
    """End of the part whose sound ends at `at`; None if more of its sound seems to follow."""
    rest = _bytes(file, at, PADDING + 1)
    if (len(rest) <= PADDING and not any(rest)) or rest.startswith(TAGS):
        return size
    for first in (at + -at % layout.align, at):  # not every program pads
        end = first
        for name, begin, stop in _chunks(file, first, size, layout):
            if re.match(layout.magic, _bytes(file, begin, 16), re.DOTALL):
                return begin
            if not name[:4].isascii() or not name[:4].decode().isprintable() or stop > size or stop <= begin:
                break
            end = stop
        if size - end < layout.header.size:
            return size
    return None


def _patches(file: BinaryIO, start: int, at: int, there: int, layout: Layout) -> dict[int, bytes]:
    """Patches to the header for a decoder to read `there` bytes of the chunk at `at`."""
    name, _ = layout.header.unpack(_bytes(file, at, layout.header.size))
    stated = there + layout.header.size * layout.counts_header
    if layout.header.size == 8:
        stated = min(stated, 2**32 - 1)  # decoders of WAV read this as: to the end
    patches = {at - start: layout.header.pack(name, stated)}
    if _bytes(file, start, 4) in (b"RF64", b"BW64"):
        patches[0] = b"RIFF"  # otherwise the chunk ds64 has the size
    return patches


def _boxes(file: BinaryIO, at: int, end: int, depth: int = 0) -> Iterator[tuple[bytes, int]]:
    """(name, start of its body) of each box of an MP4 file, nested ones included."""
    for name, start, stop, body in _atoms(file, at, end):
        yield name, body
        if name in _NESTED and depth < DEPTH and start < stop:
            yield from _boxes(file, body + 4 * (name == b"meta"), min(stop, end), depth + 1)


def _atoms(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
    """(name, start, end, start of its body) of each box from `at` to the first invalid one."""
    for _ in range(MAX_CHUNKS):
        if at + 8 > end:
            return
        n, name = struct.unpack(">I4s", _bytes(file, at, 8))
        body = at + 8
        if n == 1:
            n, body = int.from_bytes(_bytes(file, at + 8, 8)), at + 16
        elif n == 0:
            n = end - at
        yield name, at, at + n, body
        if n < 8:
            return
        at += n
    raise TooManyChunks


def _later_films(file: BinaryIO, begin: int, size: int) -> Iterator[int]:
    """Offsets of further MP4 files after the first one."""
    sound = False
    for name, at, *_ in _atoms(file, begin, size):
        if name == b"ftyp" and sound:
            yield at
        sound = name in (b"moov", b"mdat") or (sound and name != b"ftyp")


def _later_links(file: BinaryIO, begin: int, size: int) -> Iterator[int]:
    """Offsets of further links of an Ogg chain: a stream's first page after other pages."""
    group_end = begin
    for at in _found(file, begin, size, _OGG):
        if at > group_end:
            yield at
        if at >= group_end:
            group_end = at + _page_size(_bytes(file, at, 27 + 255))


def _page_size(page: bytes) -> int:
    """Bytes of an Ogg page, from its first bytes."""
    segments = page[26] if len(page) > 26 else 0
    return 27 + segments + sum(page[27 : 27 + segments])


def _found(file: BinaryIO, at: int, end: int, pattern: bytes) -> Iterator[int]:
    """Offsets of a pattern from `at` on. It starts with four literal bytes, and matches at most 80."""
    compiled, last = re.compile(pattern, re.DOTALL), -1
    while at < end:
        data = _bytes(file, at, min(SCANNED, end - at) + 80)
        for match in compiled.finditer(data):
            if at + match.start() > last and at + match.start() < end:
                last = at + match.start()
                yield last
        at += SCANNED
