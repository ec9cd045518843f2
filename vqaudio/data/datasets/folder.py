"""Any folder of audio as a dataset: your own recordings, in any layout, any format that can be read, names in any script.

What is known of a recording comes from a table, or else from where it lies:

- `metadata.csv` or `labels.csv` in the folder, in UTF-8, with commas, semicolons or tabs: the column `file_name` (or one of
  `tables.FILE_COLUMNS`, or else the first) says where the recording is; a column `split` says which part it belongs to; every
  other column is a label. This is also the layout of Hugging Face's AudioFolder.
- without it, the label is the sub-folder that the recording is in.

Where no table says the part, a hash of the file's name does: a tenth each for validation and test. It stays when files are
added, and is the same on every machine.
"""

import hashlib
import itertools
import os
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from vqaudio.data import tables
from vqaudio.data.clips import About, Clip, Split
from vqaudio.data.sources import PARTS, Source, files_in, label_lists, read_all, sound_of
from vqaudio.errors import InputError

SAMPLE_RATE = 16_000
PIECE_S = 10.0  # longer recordings are cut into equal pieces of at most so many seconds
SHARE = 0.1  # of the recordings, each, for validation and test
FEWEST = 3  # recordings: one for each part
FEW = 1000  # up to so many recordings, every part is seen to have one; beyond, the hash gives each part its share
ABOUT = About(
    name="a folder of recordings",
    trained="Trained on a folder of recordings. Its parts are those that its table names, or follow from a hash of file names.",
    knows="It knows what is in those recordings.",
)
ENDINGS = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".mp4", ".aac", ".webm", ".mkv", ".mka", ".aif", ".aiff"),
    *(".aifc", ".caf", ".w64", ".au", ".snd", ".amr", ".wma", ".3gp", ".mov", ".wave", ".mp2", ".spx", ".sph", ".voc"),
)
STARTS = (b"fLaC", b"OggS", b"ID3", b"RF64", b"caff", b".snd", b"NIST_1A", b"Creative Voi", b"#!AMR", b"wvpk")


def load_split(split: str, root: str | os.PathLike | None = None, sample_rate: int = SAMPLE_RATE) -> Split:
    """Read "train", "validation" or "test" into memory; a set that is too large for it goes through `vqaudio prepare`.

    Args:
        root: the folder.
        sample_rate: Hz, to which everything is converted; several channels become one.

    Returns:
        clips of at most PIECE_S seconds. Files that cannot be read are named on stderr, and left out.

    Raises:
        InputError: no such split or folder, no audio in it, fewer than three recordings, or a table that makes no sense.
    """
    if split not in PARTS:
        raise InputError(f"A folder has the splits {', '.join(PARTS)}; not {split!r}.")
    found = list(sources(root))
    labels = label_lists(found)
    if split == "train":
        _tell_one_class(found, labels)
    chosen = [source for source in found if source.part == split]
    clips, bad = read_all(chosen, clips_of, sample_rate)
    if not clips:
        first = f" The first: {bad[0][1]}" if bad else ""
        raise InputError(f"None of the {len(chosen)} recordings in {root} that are for {split} can be read.{first}")
    return Split(tuple(clips), sample_rate, labels)


def sources(root: str | os.PathLike | None) -> Iterator[Source]:
    """Every recording, in the order of the names, one folder after the other; raises the InputErrors of `load_split`."""
    if root is None:
        raise InputError("Name the folder of your recordings with --data.")
    base = Path(root)
    if not base.is_dir():
        raise InputError(f"There is no folder {base}.")
    table, others = next((base / name for name in tables.NAMES if (base / name).is_file()), None), Counter()
    found = tables.recordings(base, table, part_of) if table else _from_folders(base, others)
    few = list(itertools.islice(found, FEW))
    if len(few) < FEWEST:
        told = f"only {len(few)} recording{'s' if len(few) > 1 else ''}" if few else "no audio"
        where = f"{table} names" if table else f"{base} holds"
        beside = f" beside {', '.join(f'{n} {ending}' for ending, n in others.most_common(3))}" if others else ""
        raise InputError(f"{where} {told}{beside}; at least {FEWEST} are needed: to learn from, to choose by, and to test on.")
    yield from few if len(few) == FEW else _every_part(few)
    yield from found


def clips_of(source: Source, sample_rate: int) -> list[Clip]:
    """The recording, in equal pieces of at most PIECE_S seconds."""
    sound = sound_of(source.path, sample_rate)
    n = -(-len(sound) // round(PIECE_S * sample_rate))
    if n == 1:
        return [Clip(sound, source.name, source.labels)]
    return [Clip(part.clone(), f"{source.name}#{i}", source.labels) for i, part in enumerate(sound.tensor_split(n))]


def part_of(name: str) -> str:
    """The part of the recording with this name, relative to the folder."""
    place = place_of(name)
    return "validation" if place < SHARE else "test" if place < 2 * SHARE else "train"


def place_of(name: str) -> float:
    """A hash of the name, from 0 to 1. Systems write accents in different ways: here they are one."""
    digest = hashlib.sha1(unicodedata.normalize("NFC", name).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _every_part(few: list[Source]) -> list[Source]:
    """The same recordings, so that none of the parts is empty: it gets the one whose hash lies next to it."""
    parts = [source.part for source in few]
    order = sorted(range(len(few)), key=lambda i: place_of(few[i].name))
    for part, wanted in (("validation", order), ("test", order[1:]), ("train", order[::-1])):
        if part not in parts:
            parts[next(i for i in wanted if parts.count(parts[i]) > 1)] = part
    return [replace(source, part=part) for source, part in zip(few, parts)]


def _from_folders(base: Path, others: Counter) -> Iterator[Source]:
    """Every recording. Counts the endings of what is no audio in `others`."""
    for path in files_in(base):
        if path.suffix.lower() not in ENDINGS and not _is_audio(path):
            others[path.suffix or "without ending"] += 1
            continue
        label = {} if path.parent == base else {"label": _readable(path.parent.name)}
        name = _readable(path.relative_to(base).as_posix())
        yield Source(path, name, part_of(name), label)


def _is_audio(path: Path) -> bool:
    """Whether a file without a usual ending begins as audio does."""
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except OSError:
        return False
    return start.startswith(STARTS) or start[:4] + start[8:] in (b"RIFFWAVE", b"FORMAIFF", b"FORMAIFC")


def _readable(name: str) -> str:
    """A name whose bytes are not UTF-8, as text."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _tell_one_class(found: list[Source], labels: dict) -> None:
    values = {value for source in found for value in source.labels.values()}
    if not labels and len(values) == 1:
        print(f"All recordings have the one label {values.pop()!r}: there is nothing to tell apart by it.", file=sys.stderr)
