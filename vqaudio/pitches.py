"""Notes by name and by MIDI key number: C4 is key 60, and A4 (key 69) is 440 Hz."""

import re

from vqaudio.errors import InputError

_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SHIFTS = {"": 0, "#": 1, "s": 1, "\u266f": 1, "b": -1, "\u266d": -1}
_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def key_of(text: str) -> int:
    """Parse a note's name or key number: "A4" -> 69.

    A sharp is # or s ("As4"), a flat is b; a key number is 0 to 127. Raises InputError.
    """
    match = re.fullmatch(r"([A-Ga-g])([#sb\u266f\u266d]?)(-?[0-9])|([0-9]{1,3})", text.strip())
    if match:
        letter, shift, octave, number = match.groups()
        key = int(number) if number else 12 * (int(octave) + 1) + _STEPS[letter.upper()] + _SHIFTS[shift]
        if 0 <= key <= 127:
            return key
    raise InputError(f"A note is written as C4, A#3 or Bb3, from C-1 to G9, or as a key number from 0 to 127; not {text!r}.")


def name_of(key: int) -> str:
    """The name of a key: 69 -> "A4", 70 -> "A#4"."""
    return f"{_NAMES[key % 12]}{key // 12 - 1}"


def hz_of(key: int) -> float:
    """69 -> 440.0, in equal temperament."""
    return 440.0 * 2 ** ((key - 69) / 12)


def word(kind: str, value: str) -> str:
    """A label's value in words: a note's name for a pitch, others unchanged.

    The value of a pitch may be a key number.
    """
    try:
        return name_of(key_of(value)) if kind == "pitch" else value
    except InputError:
        return value
