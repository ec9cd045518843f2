"""Read TFRecord files of `tf.train.Example` without TensorFlow.

A record is its length (uint64), the length's checksum, the data, the data's checksum; checksums are CRC-32C, masked. The data
is a protocol buffer: features { feature { key, value { bytes_list | float_list | int64_list } } }.
"""

import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from vqaudio.errors import InputError

POLYNOMIAL, MASK = 0x82F63B78, 0xA282EAD8
LONGEST = 2**28  # bytes in a record; a longer one is damaged


def records(path: Path) -> Iterator[bytes]:
    """Yield the data of every record.

    Raises:
        InputError: the file is missing or truncated, or a checksum is wrong.
    """
    try:
        with path.open("rb") as file:
            number = 1
            while header := file.read(12):
                yield _record(path, number, header, file)
                number += 1
    except FileNotFoundError:
        raise InputError(f"There is no {path}.") from None


def _record(path: Path, number: int, header: bytes, file) -> bytes:
    damaged = InputError(f"{path} is damaged at record {number}: it is cut off or a checksum is wrong. Copy the file again.")
    if len(header) < 12:
        raise damaged
    length, check = struct.unpack("<QI", header)
    if masked_crc(header[:8]) != check or length > LONGEST:
        raise damaged
    data, tail = file.read(length), file.read(4)
    if len(data) < length or len(tail) < 4 or masked_crc(data) != struct.unpack("<I", tail)[0]:
        raise damaged
    return data


def example(record: bytes) -> dict[str, list]:
    """Decode one `tf.train.Example`: lists of bytes, floats or integers by name.

    Raises:
        InputError: it is not an example with named features.
    """
    try:
        found = {}
        for features in _fields(record, 1):
            for feature in _fields(features, 1):
                found[_fields(feature, 1)[0].decode()] = _values(_fields(feature, 2)[0])
        return found
    except (IndexError, ValueError, struct.error):
        raise InputError("A record of this TFRecord file is not an example with named features.") from None


def _values(feature: bytes) -> list:
    kinds = {number: content for number, content in _parse(feature)}
    if 1 in kinds:
        return _fields(kinds[1], 1)
    if 2 in kinds:
        packed = b"".join(part if isinstance(part, bytes) else struct.pack("<I", part) for _, part in _parse(kinds[2]))
        return list(struct.unpack(f"<{len(packed) // 4}f", packed))
    numbers: list[int] = []
    for _, part in _parse(kinds.get(3, b"")):
        numbers += list(_varints(part)) if isinstance(part, bytes) else [part]
    return [number - 2**64 if number >= 2**63 else number for number in numbers]


def _fields(message: bytes, wanted: int) -> list[bytes]:
    return [content for number, content in _parse(message) if number == wanted]


def _parse(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Yield a protocol buffer message's field numbers and contents: bytes or an integer."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            content, at = _varint(message, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            content, at = int.from_bytes(message[at : at + size], "little"), at + size
        elif wire == 2:
            size, at = _varint(message, at)
            content, at = message[at : at + size], at + size
        else:
            raise ValueError("unknown wire type")
        if at > len(message):
            raise ValueError("cut off")
        yield number, content


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _varints(message: bytes) -> Iterator[int]:
    at = 0
    while at < len(message):
        value, at = _varint(message, at)
        yield value


def masked_crc(data: bytes) -> int:
    """Compute TensorFlow's masked CRC-32C."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """Compute CRC-32C (Castagnoli).

    A checksum is linear over GF(2), so neighbours can be combined in pairs in NumPy.
    """
    if len(data) < 4:
        return _crc_bytewise(data)
    padded = np.frombuffer(data, np.uint8).copy()
    padded[:4] ^= 0xFF  # the initial value
    size = 1 << (len(padded) - 1).bit_length()
    crcs = _shift_tables(0)[0][np.concatenate([np.zeros(size - len(padded), np.uint8), padded])]
    level = 0
    while len(crcs) > 1:
        crcs = _shifted(crcs[::2], _shift_tables(level)) ^ crcs[1::2]
        level += 1
    return int(crcs[0]) ^ 0xFFFFFFFF


def _crc_bytewise(data: bytes) -> int:
    crc, table = 0xFFFFFFFF, _shift_tables(0)[0]
    for byte in data:
        crc = int(table[(crc ^ byte) & 255]) ^ crc >> 8
    return crc ^ 0xFFFFFFFF


@cache
def _shift_tables(level: int) -> np.ndarray:
    """Tables, uint32 [4, 256]: effect on a checksum's four bytes of 2**level zero bytes after it."""
    if level:
        before = _shift_tables(level - 1)
        return np.stack([_shifted(row, before) for row in before])
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(values & 1, values >> 1 ^ POLYNOMIAL, values >> 1).astype(np.uint32)
    others = [np.arange(256, dtype=np.uint32) << (8 * byte - 8) for byte in (1, 2, 3)]
    return np.stack([values, *others])


def _shifted(crcs: np.ndarray, tables: np.ndarray) -> np.ndarray:
    return tables[0][crcs & 255] ^ tables[1][crcs >> 8 & 255] ^ tables[2][crcs >> 16 & 255] ^ tables[3][crcs >> 24]
