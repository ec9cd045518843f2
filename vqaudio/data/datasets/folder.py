"""Any folder of audio as a dataset: your own recordings, in any layout, any format that can be read, names in any script.

What is known of a recording comes from a table, or else from where it lies:

- `metadata.csv` or `labels.csv` in the folder, in UTF-8: the column `file_name` (or `file`, `path`, or else the first) says where
  the recording is; a column `split` says which part it belongs to; every other column is a label. This is also the layout of
  Hugging Face's AudioFolder.
- without it, the label is the sub-folder that the recording is in.

Where no table says the part, a hash of the file's name does: a tenth each for validation and test. It stays when files are
added, and is the same on every machine.
"""

import csv
import hashlib
import itertools
import os
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from vqaudio.data.clips import Clip, Split
from vqaudio.data.sources import PARTS, Source, label_lists, read_all, sound_of
from vqaudio.errors import InputError

SAMPLE_RATE = 16_000
PIECE_S = 10.0  # longer recordings are cut into equal pieces of at most so many seconds
SHARE = 0.1  # of the recordings, each, for validation and test
FEWEST = 3  # recordings: one for each part
FEW = 1000  # up to so many recordings, every part is seen to have one; beyond, the hash gives each part its share
TABLES = ("metadata.csv", "labels.csv")
FILE_COLUMNS = ("file_name", "file", "path", "filename")
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"), **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
}
ENDINGS = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".mp4", ".aac", ".webm", ".mkv", ".mka", ".aif", ".aiff"),
    *(".aifc", ".caf", ".w64", ".au", ".snd", ".amr", ".wma", ".3gp", ".mov"),
)


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
    clips, _ = read_all(chosen, clips_of, sample_rate)
    if not clips:
        raise InputError(f"None of the {len(chosen)} recordings in {root} that are for {split} can be read.")
    return Split(tuple(clips), sample_rate, labels)


def sources(root: str | os.PathLike | None) -> Iterator[Source]:
    """Every recording, in the order of the names, one folder after the other; raises the InputErrors of `load_split`."""
    if root is None:
        raise InputError("Name the folder of your recordings with --data.")
    base = Path(root)
    if not base.is_dir():
        raise InputError(f"There is no folder {base}.")
    table = next((base / name for name in TABLES if (base / name).is_file()), None)
    found = _from_table(base, table) if table else _from_folders(base)
    few = list(itertools.islice(found, FEW))
    if len(few) < FEWEST:
        told = f"only {len(few)} recording{'s' if len(few) > 1 else ''}" if few else "no audio"
        where = f"{table} names" if table else f"{base} holds"
        raise InputError(f"{where} {told}; at least {FEWEST} are needed: to learn from, to choose by, and to test on.")
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
    place = _place(name)
    return "validation" if place < SHARE else "test" if place < 2 * SHARE else "train"


def _place(name: str) -> float:
    """A hash of the name, from 0 to 1. Systems write accents in different ways: here they are one."""
    digest = hashlib.sha1(unicodedata.normalize("NFC", name).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _every_part(few: list[Source]) -> list[Source]:
    """The same recordings, so that none of the parts is empty: it gets the one whose hash lies next to it."""
    parts = {source.name: source.part for source in few}
    order = sorted(parts, key=_place)
    for part, wanted in (("validation", order), ("test", order[1:]), ("train", order[::-1])):
        if part not in parts.values():
            parts[next(name for name in wanted if list(parts.values()).count(parts[name]) > 1)] = part
    return [Source(source.path, source.name, parts[source.name], source.labels) for source in few]


def _from_folders(base: Path) -> Iterator[Source]:
    for folder, inside, files in os.walk(base):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        label = {} if Path(folder) == base else {"label": _readable(Path(folder).name)}
        for file in sorted(files):
            if Path(file).suffix.lower() in ENDINGS and not file.startswith("."):
                path = Path(folder, file)
                name = _readable(path.relative_to(base).as_posix())
                yield Source(path, name, part_of(name), label)


def _readable(name: str) -> str:
    """A name whose bytes are not UTF-8, as text."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _from_table(base: Path, table: Path) -> Iterator[Source]:
    """One row after the other; a row that makes no sense is an error, for silence would lose recordings."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            columns = rows.fieldnames or []
            if not columns:
                raise InputError(f"{table} is empty: its first line names the columns, such as file_name,label.")
            where = next((name for name in FILE_COLUMNS if name in columns), columns[0])
            for row in rows:
                yield _from_row(base, table, rows.line_num, row, where)
    except UnicodeDecodeError:
        raise InputError(f"{table} is not text in UTF-8: save it as CSV UTF-8.") from None
    except csv.Error as error:
        raise InputError(f"{table} is not a table that can be read: {error}.") from None


def _from_row(base: Path, table: Path, line: int, row: dict, where: str) -> Source:
    name = (row.get(where) or "").strip()
    path = Path(os.path.normpath(base / name))
    if not name or not path.is_relative_to(base):
        raise InputError(f"{table}, line {line}: {where} should name a file in this folder; it says {name!r}.")
    said = (row.get("split") or "").strip().lower()
    if said and said not in SPLIT_NAMES:
        raise InputError(f"{table}, line {line}: the split is train, validation or test; not {said!r}.")
    labels = {
        kind: value.strip() for kind, value in row.items()
        if kind not in (where, "split", None) and isinstance(value, str) and value.strip()
    }
    name = path.relative_to(base).as_posix()
    return Source(path, name, SPLIT_NAMES[said] if said else part_of(name), labels)


def _tell_one_class(found: list[Source], labels: dict) -> None:
    values = {value for source in found for value in source.labels.values()}
    if not labels and len(values) == 1:
        print(f"All recordings have the one label {values.pop()!r}: there is nothing to tell apart by it.", file=sys.stderr)
