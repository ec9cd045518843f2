"""Conditioning labels, such as {"digit": "7", "speaker": "theo"}.

For each kind of label one value, or one value a clip.
"""

from collections.abc import Mapping, Sequence
from numbers import Integral

import torch
from torch import Tensor

from vqaudio.errors import InputError

Value = str | int | None
Labels = Mapping[str, Value | Sequence[Value]]


def normalised(labels: Labels | None) -> dict[str, str | list[str | None] | None]:
    """The same labels, with integers as text."""
    return {kind: _text(value) if _is_one(value) else [_text(one) for one in value] for kind, value in (labels or {}).items()}


def _is_one(value) -> bool:
    return value is None or isinstance(value, str | int | Integral)


def _text(value: Value) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)


def label_ids(known: Mapping[str, Sequence[str]], labels: Labels | None, n: int) -> Tensor:
    """Convert labels to positions in their lists of values.

    Args:
        known: for each kind of label, its values.
        labels: for a kind one value, or one for each clip; a kind that is missing or None is left open. Integers stand for
            their digits.
        n: number of clips.

    Returns:
        int64 [n, kinds]; an open label is the number of the kind's values.

    Raises:
        InputError: an unknown kind or value, or another number of values than clips.
    """
    labels = normalised(labels)
    unknown = set(labels) - set(known)
    if unknown:
        raise InputError(f"There is no label {unknown.pop()!r}; known are {', '.join(known) or 'none'}.")
    ids = torch.empty(n, len(known), dtype=torch.long)
    for i, (kind, values) in enumerate(known.items()):
        given = labels.get(kind)
        given = [given] * n if given is None or isinstance(given, str) else list(given)
        if len(given) != n:
            raise InputError(f"Give one {kind} for all clips, or one a clip: {n}, not {len(given)}.")
        for b, value in enumerate(given):
            if value is not None and value not in values:
                raise InputError(f"There is no {kind} {value!r}; known are {', '.join(values)}.")
            ids[b, i] = len(values) if value is None else values.index(value)
    return ids


def clips_in(labels: Labels | None) -> int:
    """Number of clips that labels describe: their longest list, at least 1."""
    return max([1, *(len(value) for value in (labels or {}).values() if not _is_one(value))])


def chosen(labels: Labels | None, kinds) -> dict | None:
    """The labels of these kinds only; None if there are none."""
    return {kind: value for kind, value in (labels or {}).items() if kind in kinds} or None
