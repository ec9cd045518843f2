"""Timed labels: phones, words or notes of a clip, with start and end in seconds."""

import math
from collections.abc import Iterable
from dataclasses import astuple, dataclass

from vqaudio.errors import InputError

MAX_LABELS = 100_000  # of one clip
ROUNDING_S = 1e-3  # an end may exceed a clip's duration by this much: annotation files round their times


@dataclass(frozen=True, order=True)
class TimedLabel:
    """One labelled interval of a clip.

    Args:
        kind: what is labelled, such as "phone", "word" or "note".
        value: the label itself, such as "AH", "seven" or "C4".
        start_s, end_s: seconds from the start of the clip, 0 <= start_s < end_s.

    Raises:
        InputError: an empty kind, a value that is not text, or times that are not finite, negative or out of order.
    """

    kind: str
    value: str
    start_s: float
    end_s: float

    def __post_init__(self):
        if not isinstance(self.kind, str) or not self.kind or not isinstance(self.value, str):
            raise InputError(f"A timed label needs a kind and a value, both text; not {self.kind!r} and {self.value!r}.")
        times = self.start_s, self.end_s
        if not all(isinstance(time, int | float) and not isinstance(time, bool) and math.isfinite(time) for time in times):
            raise InputError(f"The {self.kind} {self.value!r} needs a start and an end in seconds; not {list(times)}.")
        if not 0 <= self.start_s < self.end_s:
            raise InputError(f"The {self.kind} {self.value!r} needs 0 <= start < end; it has {self.start_s} to {self.end_s} s.")


def check(labels: Iterable[TimedLabel], duration_s: float) -> None:
    """Raise InputError if a label ends after its clip of `duration_s` seconds."""
    for label in labels:
        if label.end_s > duration_s + ROUNDING_S:
            raise InputError(
                f"The {label.kind} {label.value!r} ends at {label.end_s:g} s, but the clip ends at {duration_s:g} s."
            )


def parse(rows, duration_s: float = math.inf) -> tuple[TimedLabel, ...]:
    """Parse a clip's labels from JSON.

    Args:
        rows: a list of lists [kind, value, start_s, end_s], as `to_json` returns.
        duration_s: length of the clip in seconds.

    Returns:
        The labels, sorted by start, then end.

    Raises:
        InputError: another shape, more than `MAX_LABELS` rows, times that make no sense, or a label beyond the clip's end.
    """
    if not isinstance(rows, list | tuple) or not all(isinstance(row, list | tuple) and len(row) == 4 for row in rows):
        raise InputError("Timed labels are a list of [kind, value, start_s, end_s].")
    if len(rows) > MAX_LABELS:
        raise InputError(f"A clip has at most {MAX_LABELS:,} timed labels; this one has {len(rows):,}.")
    labels = tuple(sorted((TimedLabel(*row) for row in rows), key=lambda label: (label.start_s, label.end_s)))
    check(labels, duration_s)
    return labels


def to_json(labels: Iterable[TimedLabel]) -> list[list]:
    """Labels as lists [kind, value, start_s, end_s], for JSON; see `parse`."""
    return [list(astuple(label)) for label in labels]
