"""The `.vqa` file: `Codes` on disk, bit-packed.

All numbers are little-endian. A file with one clip has 68 bytes and the name besides the indices.

| bytes | content |
| --- | --- |
| 3 | magic "VQA" |
| 1 | version, 1 |
| 4 | CRC-32 of everything after it |
| 16 | fingerprint of the model (`Codec.fingerprint`, 32 hex digits) |
| 4 | sample rate, Hz |
| 8 | columns a second, float64 |
| 4 | number of clips B |
| 2 | number of groups of equal stages G |
| 1 | 1 if the clips carry a level, else 0 |
| 1 + n | the model's name: its length n in bytes, then UTF-8 |
| G x 12 | a group: number of stages (uint16), bands (uint16), steps (uint32), vocab (uint32) |
| B x 12 | a clip: samples (uint32), columns (uint32), level in dB re full scale (float32, 0 if there is none) |
| rest | indices, ceil(log2 vocab) bits each, high bit first: clip by clip, column by column, row by row; 0 to 7 zero bits |

Padding columns and timed labels are not stored. Every number is checked against the file's size and the other numbers before
anything is allocated: the sample rate is a whole multiple (the hop) of the frame rate, and a clip has as many columns as its
samples fill.
"""

import math
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch

from vqaudio.codes import LEVELS_DB, Codes, CodeSpec, Stage
from vqaudio.errors import InputError
from vqaudio.files import check_folder, replace_file

MAGIC, VERSION = b"VQA", 1
_START = struct.Struct("<3sBI")
_FIXED = struct.Struct("<16sIdIHBB")
_GROUP = struct.Struct("<HHII")
_CLIP = np.dtype([("samples", "<u4"), ("columns", "<u4"), ("level_db", "<f4")])
MAX_BYTES = 2**28
MAX_CELLS = 2**25  # of the padded matrix [B, K, T]: 23 hours of eight stages at 50 columns a second
MAX_ROWS = 2**12
MAX_CLIPS = 2**16
_BLOCK_BITS = 2**20  # packed at a time, or eight columns


@dataclass(frozen=True)
class VqaHeader:
    """The header of a .vqa file.

    For each clip: `lengths` in samples, `columns`, and `level_db` (None: not stored).
    """

    version: int
    model: str
    fingerprint: str
    spec: CodeSpec
    sample_rate_hz: int
    lengths: tuple[int, ...]
    columns: tuple[int, ...]
    level_db: tuple[float, ...] | None

    @property
    def duration_s(self) -> float:
        """Duration of all clips together, in seconds."""
        return sum(self.lengths) / self.sample_rate_hz


def write_vqa(path: str | os.PathLike, codes: Codes, codec) -> None:
    """Write codes to a .vqa file, whole or not at all.

    Args:
        path: of the file.
        codes: [B, K, T]; ids in range, valid columns first.
        codec: the codec that made them; its name and fingerprint are stored.

    Raises:
        InputError: an index or a level out of range, a clip whose valid columns are not its first ones or whose length does not
            fit them, or too many codes for one file.
    """
    path = Path(path)
    check_folder(path)
    body = _body(codes, codec)
    start = _START.pack(MAGIC, VERSION, zlib.crc32(body))
    replace_file(path, lambda temporary: temporary.write_bytes(start + body))


def read_vqa(path: str | os.PathLike, codec=None) -> Codes:
    """Read a .vqa file.

    Args:
        path: of the file.
        codec: if given, the file must be from this model, with the same fingerprint.

    Returns:
        Codes with int64 ids [B, K, T] on the CPU, zero in padding.

    Raises:
        InputError: no such file, not a .vqa file, truncated, altered, of another version, or made by another model.
    """
    header, payload = _read(path)
    if codec is not None:
        _check_model(path, header, codec)
    valid = torch.arange(max(header.columns))[None] < torch.tensor(header.columns)[:, None]
    level = None if header.level_db is None else torch.tensor(header.level_db, dtype=torch.float32)
    ids = _unpack(payload, header.spec, header.columns)
    codes = Codes(ids, header.spec, torch.tensor(header.lengths), valid, level)
    codes.check_range()
    return codes


def read_header(path: str | os.PathLike) -> VqaHeader:
    """Read the header of a .vqa file; raises the InputErrors of `read_vqa`."""
    return _read(path)[0]


def is_vqa(path: str | os.PathLike) -> bool:
    """Whether the file starts like a .vqa file."""
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _body(codes: Codes, codec) -> bytes:
    """Everything after the CRC."""
    codes.check_range()
    ids, valid = codes.ids.cpu(), codes.valid.cpu()
    columns = valid.sum(-1)
    if not torch.equal(valid, torch.arange(codes.columns)[None] < columns[:, None]) or not codes.ids.numel() or columns.min() < 1:
        raise InputError("Only codes whose clips have one column or more, padded at the end, can be written.")
    if codes.ids.numel() > MAX_CELLS or codes.spec.rows > MAX_ROWS or len(codes) > MAX_CLIPS or int(codes.lengths.max()) >= 2**32:
        raise InputError("These codes are too much for one .vqa file: write fewer or shorter clips.")
    lengths, levels = codes.lengths.cpu().numpy(), None if codes.level_db is None else codes.level_db.cpu().numpy()
    if problem := _problem_of_clips(lengths, columns.numpy(), levels, codec.sample_rate, codes.spec.frame_rate):
        raise InputError(f"These codes cannot be written: {problem}")
    clips = np.zeros(len(codes), _CLIP)
    clips["samples"], clips["columns"] = lengths, columns.numpy()
    if levels is not None:
        clips["level_db"] = levels
    name = codec.name.encode()
    if len(name) > 255:
        raise InputError(f"The model's name {codec.name[:40]!r}... is longer than 255 bytes.")
    groups = [(len(list(same)), stage) for stage, same in groupby(codes.spec.stages)]
    fixed = _FIXED.pack(
        bytes.fromhex(codec.fingerprint), codec.sample_rate, codes.spec.frame_rate, len(codes), len(groups),
        codes.level_db is not None, len(name),
    )
    try:
        stages = b"".join(_GROUP.pack(count, stage.bands, stage.steps, stage.vocab) for count, stage in groups)
    except struct.error:
        raise InputError("A stage has more bands, steps or codewords than a .vqa file can hold.") from None
    flat = ids.transpose(1, 2)[valid].numpy()
    return fixed + name + stages + clips.tobytes() + _pack(flat, codes.spec)


def _problem_of_clips(lengths, columns, levels, sample_rate: int, frame_rate: float) -> str:
    """A sentence about inconsistent clips (arrays [B]); empty if all are consistent."""
    hop = max(1, round(sample_rate / frame_rate))
    if not math.isclose(sample_rate / frame_rate, hop, rel_tol=1e-9):
        return "their sample rate is no multiple of their frame rate."
    if not ((lengths >= 1) & (columns == -(-lengths.astype(np.int64) // hop))).all():
        return "a clip has another number of columns than its samples fill."
    if levels is not None and not ((levels >= LEVELS_DB[0]) & (levels <= LEVELS_DB[1])).all():  # NaN is not
        return f"a clip's level is not from {LEVELS_DB[0]:g} to {LEVELS_DB[1]:g} dB."
    return ""


def _block_columns(spec: CodeSpec) -> int:
    """Columns that are packed at a time: a multiple of 8, so that every block ends on a whole byte."""
    return 8 * max(1, _BLOCK_BITS // (8 * _bits_a_column(spec)))


def _pack(flat: np.ndarray, spec: CodeSpec) -> bytes:
    """Ids [columns, K] -> bytes."""
    n = _block_columns(spec)
    return b"".join(
        np.packbits(np.concatenate([_to_bits(block[:, spec.rows_of(j)], stage.bits) for j, stage in enumerate(spec.stages)], 1))
        .tobytes()
        for block in (flat[i : i + n] for i in range(0, len(flat), n))
    )


def _to_bits(ids: np.ndarray, bits: int) -> np.ndarray:
    """[n, rows] -> uint8 [n, rows * bits], high bit first."""
    shifts = np.arange(bits - 1, -1, -1, dtype=np.uint32)
    return ((ids.astype(np.uint32)[..., None] >> shifts) & 1).astype(np.uint8).reshape(len(ids), -1)


def _unpack(payload: bytes, spec: CodeSpec, columns: tuple[int, ...]) -> torch.Tensor:
    """Bytes -> ids int64 [B, K, T] of clips with these numbers of columns, zero after them."""
    ids = torch.zeros(len(columns), spec.rows, max(columns), dtype=torch.int64)
    blocks = _blocks(payload, spec, sum(columns))
    rest = next(blocks)
    for clip, n in zip(ids, columns):
        done = 0
        while done < n:
            rest = rest if len(rest) else next(blocks)
            part, rest = rest[: n - done], rest[n - done :]
            clip[:, done : done + len(part)] = torch.from_numpy(part.T)
            done += len(part)
    return ids


def _blocks(payload: bytes, spec: CodeSpec, columns: int) -> Iterator[np.ndarray]:
    """The ids, int64 [n, K], of n columns at a time."""
    width, packed = _bits_a_column(spec), np.frombuffer(payload, np.uint8)
    for i in range(0, columns, _block_columns(spec)):
        n = min(_block_columns(spec), columns - i)
        bits = np.unpackbits(packed[i * width // 8 :], count=n * width).reshape(n, width)
        block, at = np.empty((n, spec.rows), np.int64), 0
        for j, stage in enumerate(spec.stages):
            weights = 1 << np.arange(stage.bits - 1, -1, -1, dtype=np.int64)
            part = bits[:, at : at + stage.rows * stage.bits].reshape(n, stage.rows, stage.bits)
            block[:, spec.rows_of(j)] = part @ weights
            at += stage.rows * stage.bits
        yield block


def _bits_a_column(spec: CodeSpec) -> int:
    return sum(stage.rows * stage.bits for stage in spec.stages)


def _read(path: str | os.PathLike) -> tuple[VqaHeader, bytes]:
    """The checked header, and the bytes of the indices."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; choose a .vqa file.")
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path} is no .vqa file: it is larger than {MAX_BYTES // 2**20} MB.")
    data = path.read_bytes()
    if data[:3] != MAGIC:
        raise InputError(f"{path} is {'empty' if not data else 'no .vqa file'}; make one with `vqaudio encode`.")
    if len(data) < _START.size:
        raise InputError(f"{path} is damaged: it was truncated or altered.")
    _, version, crc = _START.unpack_from(data)
    if version != VERSION:
        raise InputError(f"{path} is a .vqa file of version {version}; this program reads version {VERSION}.")
    if zlib.crc32(memoryview(data)[_START.size :]) != crc:
        raise InputError(f"{path} is damaged: it was truncated or altered.")
    try:
        return _parse(data)
    except (struct.error, ValueError, IndexError, OverflowError) as error:  # InputError is a ValueError
        raise InputError(f"{path} is not a valid .vqa file: {error}") from None


def _parse(data: bytes) -> tuple[VqaHeader, bytes]:
    """The header and payload. Raises ValueError or struct.error at the first impossible number."""
    at = _START.size
    fingerprint, rate, frame_rate, n_clips, n_groups, has_level, name_length = _FIXED.unpack_from(data, at)
    at += _FIXED.size
    name = data[at : at + name_length].decode()
    at += name_length
    ends = at + n_groups * _GROUP.size, at + n_groups * _GROUP.size + n_clips * _CLIP.itemsize
    if not name.isprintable() or rate < 1 or not rate / 2**32 <= frame_rate <= rate or has_level > 1 or ends[1] > len(data):
        raise ValueError("its header makes no sense.")
    if not 1 <= n_clips <= MAX_CLIPS:
        raise ValueError(f"it has {n_clips} clips.")
    groups = [_GROUP.unpack_from(data, i) for i in range(at, ends[0], _GROUP.size)]
    clips = np.frombuffer(data, _CLIP, n_clips, ends[0])
    payload = data[ends[1] :]
    if problem := _problem_of_clips(clips["samples"], clips["columns"], clips["level_db"], rate, frame_rate):
        raise ValueError(problem)
    rows = sum(count * bands * steps for count, bands, steps, _ in groups)
    n_stages = sum(count for count, *_ in groups)
    if not 1 <= n_stages <= rows <= MAX_ROWS:
        raise ValueError(f"its columns have {rows} rows in {n_stages} stages.")
    widest = int(clips["columns"].max())
    if rows * int(clips["columns"].sum(dtype=np.int64)) > 8 * len(payload) or rows * widest * n_clips > MAX_CELLS:
        raise ValueError("its header promises more indices than it holds.")
    spec = CodeSpec(tuple(Stage(b, s, v) for count, b, s, v in groups for _ in range(count)), frame_rate)
    bits = _bits_a_column(spec) * int(clips["columns"].sum(dtype=np.int64))
    if len(payload) != -(-bits // 8):
        raise ValueError("it holds another number of indices than its header says.")
    header = VqaHeader(
        VERSION, name, fingerprint.hex(), spec, rate, tuple(clips["samples"].tolist()), tuple(clips["columns"].tolist()),
        tuple(clips["level_db"].tolist()) if has_level else None,
    )
    return header, payload


def _check_model(path, header: VqaHeader, codec) -> None:
    if header.fingerprint == codec.fingerprint:
        if header.sample_rate_hz != codec.sample_rate:
            raise InputError(f"{path} is damaged: the model {codec.name!r} works at {codec.sample_rate} Hz.")
        codec.check_spec(header.spec)
        return
    if header.model == codec.name:
        raise InputError(f"{path} was made by another version of the model {header.model!r}: it needs that one.")
    raise InputError(f"{path} was made by the model {header.model!r}, not by {codec.name!r}: load that one (--model).")
