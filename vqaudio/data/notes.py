"""Shared by the note datasets: pitch names, splits by hash, at most 4 s."""

import hashlib
import os
import re
from pathlib import Path

from torch import Tensor

from vqaudio.data.sources import PARTS, sound_of
from vqaudio.errors import InputError
from vqaudio.pitches import key_of

SAMPLE_RATE = 16_000
LONGEST_S = 4.0  # longer notes are cut off
SHARES = {"test": 0.1, "validation": 0.06}  # of the recordings; the rest is for training
PITCHES = tuple(str(midi) for midi in range(22, 101))  # A sharp 0 to E 7
_NOTE = re.compile(r"[A-G][s#b]?-?\d")  # stricter than what a person may write: file names use no more than this


def midi_of(note: str) -> int:
    """Return the MIDI number of a note such as "A4" (69, 440 Hz), "As4" or "A#4" (70).

    Raises:
        InputError: it is not the name of a note.
    """
    if not _NOTE.fullmatch(note):
        raise InputError(f"{note!r} is not a note: write a letter from A to G, # or s for a sharp, and an octave, such as A#4.")
    return key_of(note)


def part_of(name: str) -> str:
    """Return the part of a recording by a hash of its name."""
    share = int.from_bytes(hashlib.sha1(name.encode()).digest()[:4], "big") / 2**32
    for part, wide in SHARES.items():
        if share < wide:
            return part
        share -= wide
    return "train"


def read(path: Path, sample_rate: int) -> Tensor:
    """Read the first `LONGEST_S` seconds of a recording: [N]."""
    return sound_of(path, sample_rate)[: round(LONGEST_S * sample_rate)]


def check_split(split: str, name: str) -> None:
    if split not in PARTS:
        raise InputError(f"{name} has the splits {', '.join(PARTS)}; not {split!r}.")


def base(root: str | os.PathLike | None, name: str) -> Path:
    """Return the given folder, or $VQAUDIO_DATA. Raises InputError if neither is set."""
    given = root or os.environ.get("VQAUDIO_DATA")
    if not given:
        raise InputError(f"Name the folder of {name} with --data or VQAUDIO_DATA.")
    return Path(given)
