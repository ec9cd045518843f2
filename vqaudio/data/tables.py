"""Tables of recordings: CSV with commas, semicolons or tabs, from any system."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from vqaudio.data.sources import Source
from vqaudio.errors import InputError

NAMES = ("metadata.csv", "labels.csv", "metadata.tsv", "labels.tsv")
FILE_COLUMNS = (
    *("file_name", "file", "path", "filename", "file_path", "filepath"),
    *("wav", "audio", "audio_file", "audio_path", "audio_filepath", "wav_path", "wav_file"),
)
DELIMITERS = ",;\t|"
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"), **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
}


def recordings(base: Path, table: Path, part_of) -> Iterator[Source]:
    """Yield the table's recordings in order; reject malformed rows.

    Args:
        base: the folder that names are relative to. Absolute names inside it are accepted.
        table: the CSV file.
        part_of: maps a name to its part, for rows that give none.

    Raises:
        InputError: the table is empty, not UTF-8 or not CSV, or a row is invalid.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            delimiter = _delimiter(header)
            columns = _cells(header, delimiter)
            if not columns[0]:
                raise InputError(f"{table} is empty: its first line names the columns, such as file_name,label.")
            rows = csv.DictReader(file, columns, delimiter=delimiter)
            yield from _sources(base, table, rows, _file_column(columns), part_of)
    except UnicodeDecodeError:
        raise InputError(f"{table} is not text in UTF-8: save it as CSV UTF-8.") from None
    except csv.Error as error:
        raise InputError(f"{table} is not a table that can be read: {error}.") from None


def _delimiter(header: str) -> str:
    """Pick the delimiter that yields a usual column name, or else the most columns."""
    columns = {delimiter: _cells(header, delimiter) for delimiter in DELIMITERS}
    return max(columns, key=lambda one: (_file_column(columns[one]).lower() in FILE_COLUMNS, len(columns[one])))


def _cells(header: str, delimiter: str) -> list[str]:
    return [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])] or [""]


def _file_column(columns: list[str]) -> str:
    """The column with the file names: a usual name, or else the first."""
    return min(columns, key=lambda name: FILE_COLUMNS.index(name.lower()) if name.lower() in FILE_COLUMNS else len(FILE_COLUMNS))


def _sources(base: Path, table: Path, rows: csv.DictReader, column: str, part_of) -> Iterator[Source]:
    seen: set[str] = set()
    for row in rows:
        where = f"{table}, line {rows.line_num + 1}"
        name = _inside(base, (row.get(column) or "").strip(), f"{where}: {column}")
        if name in seen:
            raise InputError(f"{where}: {column} names {name!r} a second time; each recording has one row.")
        seen.add(name)
        said = (row.get("split") or "").strip().lower()
        if said and said not in SPLIT_NAMES:
            raise InputError(f"{where}: the split is train, validation or test; not {said!r}.")
        labels = {
            kind: value.strip() for kind, value in row.items()
            if kind and kind not in (column, "split") and isinstance(value, str) and value.strip()
        }
        yield Source(base / name, name, SPLIT_NAMES[said] if said else part_of(name), labels)


def _inside(base: Path, name: str, where: str) -> str:
    """Make a name relative to the folder, with forward slashes. Raises InputError outside it."""
    if "\\" in name and not (base / name).exists():
        name = name.replace("\\", "/")
    if os.path.isabs(name):
        folders = (os.path.abspath(base), os.path.realpath(base))
        absolute = os.path.normpath(name)
        name = next((os.path.relpath(absolute, one) for one in folders if Path(absolute).is_relative_to(one)), "..")
    relative = PurePosixPath(os.path.normpath(name).replace(os.sep, "/")) if name else PurePosixPath(".")
    if str(relative) == "." or relative.parts[0] == "..":
        raise InputError(f"{where} should name a file in this folder; it says {name!r}.")
    return str(relative)
