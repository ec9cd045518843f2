"""A list of a dataset's recordings on disk, in a fixed random order.

It is an SQLite file, so that a million recordings take a few megabytes of memory. The order is that of a hash of the names, so
that neighbours have nothing in common.
"""

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from vqaudio.data.sources import MOST_CLASSES, PARTS, Source, are_classes
from vqaudio.errors import InputError
from vqaudio.files import replace_file
from vqaudio.progress import bar

_PRAGMAS = ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE", "cache_size = -16000")


class Index:
    """Recordings by part and number.

    Attributes:
        settings: the arguments of `build`, to check that a later run uses the same.
        counts: recordings of each part.
        kinds: every kind of label that occurs.
        labels: for each kind that is a class label, its values in order.

    Raises:
        InputError: the file is damaged.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            facts = json.loads(next(self._query("SELECT facts FROM facts"))[0])
            self.settings, self.counts, self.kinds = facts["settings"], facts["counts"], tuple(facts["kinds"])
            self.labels = {kind: tuple(values) for kind, values in facts["labels"].items()}
        except (sqlite3.DatabaseError, StopIteration, ValueError, KeyError) as error:
            raise InputError(f"{path} is damaged ({error}): delete it, and run the same command again.") from None

    @classmethod
    def build(cls, path: Path, sources: Iterable[Source], settings: dict) -> "Index":
        """List `sources` into `path`, atomically. Raises InputError if it fails."""
        try:
            replace_file(path, lambda temporary: _build(temporary, sources, settings))
        except sqlite3.DatabaseError as error:
            raise InputError(f"{path} cannot be written: {error}. Is the disk full?") from None
        return cls(path)

    def slice(self, part: str, start: int, n: int) -> list[Source]:
        """Return `n` recordings of a part, from number `start` on (fewer at its end)."""
        first = sum(self.counts[before] for before in PARTS[: PARTS.index(part)]) + start
        last = min(first + n, first - start + self.counts[part])
        rows = self._query("SELECT path, name, labels FROM recordings WHERE rowid > ? AND rowid <= ? ORDER BY rowid", first, last)
        return [Source(Path(os.fsdecode(path)), name, part, json.loads(labels)) for path, name, labels in rows]

    def _query(self, text: str, *values) -> Iterator[tuple]:
        yield from self._connection.execute(text, values)

    @cached_property
    def _connection(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self.path.absolute().as_posix().replace('?', '%3f')}?mode=ro&immutable=1", uri=True)


def wait_for(path: Path) -> Index:
    """Wait for the index that another process is building."""
    while not path.exists():
        time.sleep(0.2)
    return Index(path)


def _build(path: Path, sources: Iterable[Source], settings: dict) -> None:
    counts, values = dict.fromkeys(PARTS, 0), {}
    connection = sqlite3.connect(path)
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE listed (part INTEGER, place INTEGER, path BLOB, name TEXT, labels TEXT)")
        connection.executemany("INSERT INTO listed VALUES (?, ?, ?, ?, ?)", _rows(sources, counts, values))
        connection.execute("CREATE TABLE recordings AS SELECT path, name, labels FROM listed ORDER BY part, place, name")
        connection.execute("DROP TABLE listed")
        classes = {kind: sorted(found) for kind, found in values.items() if are_classes(len(found), sum(counts.values()))}
        facts = {"settings": settings, "counts": counts, "kinds": sorted(values), "labels": classes}
        connection.execute("CREATE TABLE facts AS SELECT ? AS facts", (json.dumps(facts),))
        connection.commit()
    finally:
        connection.close()


def _rows(sources: Iterable[Source], counts: dict[str, int], values: dict[str, set[str]]) -> Iterator[tuple]:
    """Yield the table's rows; fill `counts`, and `values` of each kind up to the most that classes can have."""
    with bar("listing", None, " recordings") as progress:
        for source in sources:
            counts[source.part] += 1
            for kind, value in source.labels.items():
                found = values.setdefault(kind, set())
                if len(found) <= MOST_CLASSES:
                    found.add(value)
            place = int.from_bytes(hashlib.sha1(source.name.encode()).digest()[:8], "big", signed=True)
            labels = json.dumps(source.labels, ensure_ascii=False)
            yield PARTS.index(source.part), place, os.fsencode(source.path), source.name, labels
            progress.update()
