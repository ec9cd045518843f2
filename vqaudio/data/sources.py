"""Recordings in files: paths, names, parts and labels, without audio."""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from vqaudio import audio, timed_labels
from vqaudio.data.clips import Clip, crop_timed_labels
from vqaudio.errors import InputError
from vqaudio.progress import bar
from vqaudio.timed_labels import TimedLabel

UNREADABLE = (InputError, OSError)
PARTS = ("train", "validation", "test")
MOST_CLASSES = 10_000
SIDECAR = ".labels.json"  # take1.wav -> take1.labels.json
LISTED = 20  # skipped files that are listed by name
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """A recording in a file.

    Attributes:
        path: the file.
        name: unique in its dataset.
        part: train, validation or test.
        labels: kind -> value.
    """

    path: Path
    name: str
    part: str
    labels: dict[str, str] = field(default_factory=dict)


def sound_of(path: Path, sample_rate: int) -> Tensor:
    """Read a file's audio, [N]; warn on stderr if it is incomplete. Raises InputError."""
    sound, report = audio.load(path, sample_rate)
    for sentence in report.damage:
        _log.warning("%s: %s", path, sentence)
    return sound[0]


def timed_labels_of(path: Path, duration_s: float) -> tuple[TimedLabel, ...]:
    """Read a recording's timed labels from NAME.labels.json beside it, if any.

    Args:
        path: the recording, such as take1.wav; its labels are in take1.labels.json: a list of [kind, value, start_s, end_s].
        duration_s: length of the recording in seconds.

    Raises:
        InputError: the labels are not such a list, or end after the recording.
    """
    sidecar = path.with_suffix(SIDECAR)
    try:
        labels = timed_labels.parse(json.loads(sidecar.read_text(encoding="utf-8")), duration_s)
        return crop_timed_labels(labels, 0.0, duration_s)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InputError(f"{sidecar} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:  # an InputError too
        reason = str(error) if isinstance(error, InputError) else "It is not JSON in UTF-8."
        raise InputError(f"{sidecar}: {reason}") from None
def files_in(base: Path) -> Iterator[Path]:
    """Yield every file below a folder in order of name, without hidden ones.

    Follows links to folders, each folder once, so that loops end. Reports unreadable folders on stderr.
    """
    seen: set[str] = set()
    for folder, inside, files in os.walk(base, onerror=_warn_of_unreadable, followlinks=True):
        real = os.path.realpath(folder)
        inside[:] = [] if real in seen else sorted(name for name in inside if not name.startswith("."))
        if real not in seen:
            yield from (Path(folder, file) for file in sorted(files) if not file.startswith("."))
        seen.add(real)


def _warn_of_unreadable(error: OSError) -> None:
    print(f"skipped the folder {error.filename}: {error.strerror}", file=sys.stderr)


def read_all(
    sources: list[Source], clips_of: Callable[[Source, int], Iterable[Clip]], sample_rate: int
) -> tuple[list[Clip], list[tuple[str, str]]]:
    """Read every clip into memory; report unreadable recordings on stderr.

    Returns:
        the clips, and (name, reason) of the recordings that cannot be read.
    """
    clips, bad = [], []
    with bar("reading", len(sources), " recordings") as progress:
        for source in sources:
            try:
                clips += clips_of(source, sample_rate)
            except UNREADABLE as error:
                bad.append((source.name, str(error)))
            progress.update(1)
    report_skipped(bad, len(sources))
    return clips, bad


def label_lists(sources: Iterable[Source]) -> dict[str, tuple[str, ...]]:
    """Map each kind of label that can be a class to its values, in order.

    A kind with one value carries no information, and one with a value for nearly every recording (a transcript, an id) is no
    class.
    """
    values: dict[str, set[str]] = {}
    n = 0
    for source in sources:
        n += 1
        for kind, value in source.labels.items():
            values.setdefault(kind, set()).add(value)
    return {kind: tuple(sorted(found)) for kind, found in values.items() if are_classes(len(found), n)}


def are_classes(values: int, recordings: int) -> bool:
    """Whether this many values can be classes of this many recordings."""
    return 2 <= values <= min(recordings / 2, MOST_CLASSES)


def report_skipped(bad: list[tuple[str, str]], of: int) -> None:
    """List the skipped recordings on stderr, with reasons."""
    if bad:
        print(f"skipped {len(bad):,} of {of:,} recordings:", file=sys.stderr)
    for _, reason in bad[:LISTED]:
        print(f"  {reason}", file=sys.stderr)
    if len(bad) > LISTED:
        print(f"  ... and {len(bad) - LISTED:,} more", file=sys.stderr)
