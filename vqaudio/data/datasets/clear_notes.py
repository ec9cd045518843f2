"""The elementary sounds of CLEAR: notes of six instruments. BSD licence.

Abdelnour et al. 2018, "CLEAR: A Dataset for Compositional Language and Elementary Acoustic Reasoning". `elementary_sounds.json`
lists the notes. All of them are test data: instruments, players and rooms differ from those of `philharmonia`.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from vqaudio.data import notes
from vqaudio.data.clips import About, Clip, Split
from vqaudio.data.sources import Source, read_all
from vqaudio.errors import InputError

SAMPLE_RATE = notes.SAMPLE_RATE
FOLDER, INDEX = "clear-notes", "elementary_sounds.json"
INSTRUMENTS = ("bass", "cello", "clarinet", "flute", "trumpet", "violin")
ABOUT = About(name="the elementary sounds of CLEAR", licence="bsd-3-clause", source="CLEAR's elementary sounds, BSD licence.")


def load_split(split: str = "test", root: str | os.PathLike | None = None, sample_rate: int = SAMPLE_RATE) -> Split:
    """Read the notes; "test" is the only split.

    Args:
        root: the folder of the notes, or the one that holds `clear-notes/`; None: $VQAUDIO_DATA.
        sample_rate: Hz, to resample to.

    Returns:
        notes of at most 4 s with the labels "pitch" (a MIDI number) and "instrument".

    Raises:
        InputError: another split, no list of notes or a damaged one, or none of the listed notes is there.
    """
    if split != "test":
        raise InputError(f"CLEAR's notes are for testing only: the split is test, not {split!r}.")
    clips, _ = read_all(list(sources(root)), clips_of, sample_rate)
    if not clips:
        raise InputError(f"{recordings(root)} holds none of the notes that {INDEX} names.")
    return Split(tuple(clips), sample_rate, {"pitch": notes.PITCHES, "instrument": INSTRUMENTS})


def sources(root: str | os.PathLike | None = None) -> Iterator[Source]:
    """Yield every listed note that is there, as WAV or FLAC, in order of name."""
    folder = recordings(root)
    try:
        listed = json.loads((folder / INDEX).read_text())
        found = sorted((Path(one["filename"]).name, one["instrument"], f"{one['note']}{one['octave']}") for one in listed)
    except OSError:
        raise InputError(f"{folder} holds no {INDEX}, CLEAR's list of notes.") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{folder / INDEX} is damaged: it is not CLEAR's list of notes.") from None
    for filename, instrument, note in found:
        paths = [folder / filename, (folder / filename).with_suffix(".flac")]
        path = next((path for path in paths if path.is_file()), None)
        if path and instrument in INSTRUMENTS:
            yield Source(path, path.stem, "test", {"pitch": str(notes.midi_of(note)), "instrument": instrument})


def clips_of(source: Source, sample_rate: int) -> list[Clip]:
    """Read the note as one clip."""
    return [Clip(notes.read(source.path, sample_rate), source.name, source.labels)]


def recordings(root: str | os.PathLike | None = None) -> Path:
    """Return the folder that holds the notes and their list."""
    base = notes.base(root, "CLEAR's notes")
    return base / FOLDER if (base / FOLDER).is_dir() else base
