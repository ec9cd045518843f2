"""Recordings of a dataset that lie in files: where they are and what is known of them, before anything is read."""

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from vqaudio import audio
from vqaudio.data.clips import Clip
from vqaudio.errors import InputError
from vqaudio.progress import bar

UNREADABLE = (InputError, OSError)
PARTS = ("train", "validation", "test")
MOST_CLASSES = 10_000
LISTED = 20  # skipped files that are named one by one
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """A recording in a file.

    Attributes:
        path: of the file.
        name: unlike all others of its dataset.
        part: train, validation or test.
        labels: kind -> value.
    """

    path: Path
    name: str
    part: str
    labels: dict[str, str] = field(default_factory=dict)


def sound_of(path: Path, sample_rate: int) -> Tensor:
    """A file's sound, [N]; what is missing from it is told on stderr, so that no dataset shrinks unnoticed. Raises InputError."""
    sound, report = audio.load(path, sample_rate)
    for sentence in report.damage:
        _log.warning("%s: %s", path, sentence)
    return sound[0]
def files_in(base: Path) -> Iterator[Path]:
    """Every file below a folder, in the order of the names, one folder after the other; hidden ones are left out.

    Links to folders are followed, each folder once, so that a loop of links ends. Folders that cannot be read are told on stderr.
    """
    seen: set[str] = set()
    for folder, inside, files in os.walk(base, onerror=_tell_unreadable, followlinks=True):
        real = os.path.realpath(folder)
        inside[:] = [] if real in seen else sorted(name for name in inside if not name.startswith("."))
        if real not in seen:
            yield from (Path(folder, file) for file in sorted(files) if not file.startswith("."))
        seen.add(real)


def _tell_unreadable(error: OSError) -> None:
    print(f"skipped the folder {error.filename}: {error.strerror}", file=sys.stderr)


def read_all(
    sources: list[Source], clips_of: Callable[[Source, int], Iterable[Clip]], sample_rate: int
) -> tuple[list[Clip], list[tuple[str, str]]]:
    """Every clip in memory, and the recordings that could not be read: (name, why), which are also told on stderr."""
    clips, bad = [], []
    with bar("reading", len(sources), " recordings") as progress:
        for source in sources:
            try:
                clips += clips_of(source, sample_rate)
            except UNREADABLE as error:
                bad.append((source.name, str(error)))
            progress.update(1)
    tell_skipped(bad, len(sources))
    return clips, bad


def label_lists(sources: Iterable[Source]) -> dict[str, tuple[str, ...]]:
    """For each kind of label that tells recordings apart, its values in order.

    A kind with one value says nothing, and one with a value for nearly every recording (a transcript, an id) is no class.
    """
    values: dict[str, set[str]] = {}
    n = 0
    for source in sources:
        n += 1
        for kind, value in source.labels.items():
            values.setdefault(kind, set()).add(value)
    return {kind: tuple(sorted(found)) for kind, found in values.items() if tells_apart(len(found), n)}


def tells_apart(values: int, recordings: int) -> bool:
    """Whether so many values are classes of so many recordings."""
    return 2 <= values <= min(recordings / 2, MOST_CLASSES)


def tell_skipped(bad: list[tuple[str, str]], of: int) -> None:
    """Name on stderr the recordings that were skipped, and why."""
    if bad:
        print(f"skipped {len(bad):,} of {of:,} recordings:", file=sys.stderr)
    for _, reason in bad[:LISTED]:
        print(f"  {reason}", file=sys.stderr)
    if len(bad) > LISTED:
        print(f"  ... and {len(bad) - LISTED:,} more", file=sys.stderr)
