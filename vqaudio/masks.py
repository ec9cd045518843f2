"""Masks over codes, bool [B, K, T], True = write this cell.

Build them from rectangles or a matrix, check them, and parse stages and bands.
"""

import re
from collections.abc import Iterable

import torch
from torch import Tensor

from vqaudio.codes import Codes
from vqaudio.errors import InputError

RECTANGLE = {"start_s", "end_s", "stages", "bands", "labels"}
MAX_BANDS = 64  # an open span of bands, such as 2-, ends here where the codes are not known yet


def check(codes: Codes, mask: Tensor) -> None:
    """Raise InputError unless the mask is a bool tensor of the codes' shape [B, K, T]."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != codes.ids.shape:
        raise InputError(f"The mask is a bool matrix of the codes' shape {list(codes.ids.shape)}.")


def cells(codes: Codes, mask: Tensor) -> Tensor:
    """The mask on the codes' device, without padding. Raises InputError as `check`."""
    check(codes, mask)
    return mask.to(codes.ids.device) & codes.valid[:, None]


def check_selected(codes: Codes, mask: Tensor, verb: str) -> None:
    """Raise InputError if a mask selects no cell; `verb` is the action in vain."""
    if not cells(codes, mask).any():
        raise InputError(f"No cell is selected: there is nothing to {verb}.")


def covers(mask: Tensor, codes: Codes) -> bool:
    """Whether the mask [B, K, T] selects every cell of the codes."""
    return bool((mask | ~codes.valid[:, None].to(mask.device)).all())


def span_of(mask: Tensor) -> slice:
    """The columns from the first to the last selected one of [B, K, T].

    At least one cell must be selected.
    """
    columns = mask.flatten(0, 1).any(0).nonzero()[:, 0]
    return slice(int(columns[0]), int(columns[-1]) + 1)


def from_json(value, codes: Codes) -> Tensor:
    """Build a mask from JSON.

    Args:
        value: a list of rectangles, see `from_rectangles`; or a matrix of 0 and 1, one row a line.
        codes: of any number of clips; all get the same mask.

    Returns:
        bool [B, K, T] on the codes' device.

    Raises:
        InputError: another form, or a rectangle outside the codes.
    """
    if not isinstance(value, list) or not value:
        raise InputError("A mask is a list of rectangles, or a matrix of 0 and 1.")
    if all(isinstance(row, list) for row in value):
        return _from_matrix(value, codes)
    return from_rectangles(value, codes)


def from_rectangles(rectangles: Iterable[dict], codes: Codes) -> Tensor:
    """Build a mask that is True inside any of the rectangles.

    Args:
        rectangles: dicts of `start_s` and `end_s` in seconds (an end of None is the clip's end) and, if wanted, `stages` and
            `bands`: text as people write it, counted from 1 ("2-", "1,3"), or a list of numbers from 0; None for all.

    Returns:
        bool [B, K, T] on the codes' device.

    Raises:
        InputError: a rectangle of another form, or outside the codes.
    """
    mask = torch.zeros_like(codes.ids, dtype=torch.bool)
    for part in rectangles:
        if not isinstance(part, dict) or not set(part) <= RECTANGLE:
            raise InputError(f"A rectangle has start_s, end_s and, if wanted, stages, bands and labels; not {part}.")
        try:
            start, end = float(part["start_s"]), None if part["end_s"] is None else float(part["end_s"])
            bands = _bands_of(part.get("bands"), codes)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"A rectangle needs start_s and end_s in seconds, and bands as a list; not {part}.") from None
        mask |= codes.region(start, end, _stages_of(part.get("stages"), len(codes.spec.stages)), bands)
    return mask


def local_labels(value, codes: Codes) -> list[tuple[Tensor, dict]]:
    """The rectangles of a mask with labels of their own, for `Prior.fill`."""
    labelled = [(part, part["labels"]) for part in value if isinstance(part, dict) and part.get("labels")]
    for _, labels in labelled:
        if not isinstance(labels, dict) or not all(isinstance(value, str | None) for value in labels.values()):
            raise InputError(f'A rectangle\'s labels are words by kind, such as {{"digit": "7"}}; not {labels!r}.')
    return [(from_rectangles([part], codes), labels) for part, labels in labelled]


def parse_stages(text: str | None, n: int, alone: str = "count") -> tuple[int, ...] | None:
    """Parse stages as people write them, counted from 1.

    "3" -> (0, 1, 2), or (2,) where a number alone is a stage; "1-4,7" -> (0, 1, 2, 3, 6); "2-" -> (1, ..., n - 1).

    Args:
        text: None for all stages.
        n: number of stages.
        alone: what a single number means: a "count", as in the stages to decode, or the "stage" itself, as in a mask.

    Returns:
        Stages counted from 0, each in range(n); None for all.

    Raises:
        InputError: another form, or a stage outside 1 to n.
    """
    if text is None:
        return None
    text = text.replace(" ", "")
    if not re.fullmatch(r"[0-9]{1,9}(-[0-9]{0,9})?(,[0-9]{1,9}(-[0-9]{0,9})?)*", text):
        raise InputError(f"Stages are a {alone} such as 3, a span such as 2-, or a list such as 1-4,7; not {text!r}.")
    spans = [(1, int(text))] if alone == "count" and text.isdigit() else [_span(part, n) for part in text.split(",")]
    for first, last in spans:
        if not 1 <= first <= last <= n:
            raise InputError(f"There are stages 1 to {n} here; {text} cannot be taken.")
    return tuple(sorted({stage - 1 for first, last in spans for stage in range(first, last + 1)}))


def parse_bands(text: str | None, n: int = MAX_BANDS) -> tuple[int, ...] | None:
    """Parse bands as people write them: "1-3,5" -> (0, 1, 2, 4).

    The lowest band is 1; None is all.

    Raises:
        InputError: another form, or a band outside 1 to n.
    """
    try:
        return parse_stages(text, n, alone="stage")
    except InputError:
        raise InputError(
            f"Bands are a number such as 3, a span such as 2-, or a list such as 1-4,7; there are bands 1 to {n} here."
        ) from None


def _span(part: str, n: int) -> tuple[int, int]:
    first, dash, last = part.partition("-")
    return int(first), int(last) if last else n if dash else int(first)


def _stages_of(value, n: int):
    if isinstance(value, str):
        return parse_stages(value, n, alone="stage")
    if value is None or (isinstance(value, list) and all(isinstance(stage, int) for stage in value)):
        return value
    raise InputError(f'Stages are words such as "2-" or a list of numbers from 0; not {value!r}.')


def _bands_of(value, codes: Codes):
    if isinstance(value, str):
        return parse_bands(value, max(stage.bands for stage in codes.spec.stages))
    return None if value is None else [int(band) for band in value]


def _from_matrix(matrix: list, codes: Codes) -> Tensor:
    rows, columns = codes.ids.shape[1:]
    flat = [cell for row in matrix for cell in row]
    if len(matrix) != rows or any(len(row) != columns for row in matrix) or not all(cell in (0, 1) for cell in flat):
        raise InputError(f"The mask must be {rows} rows of {columns} cells, each 0 or 1.")
    return torch.tensor(matrix, dtype=torch.bool)[None].expand(codes.ids.shape).to(codes.ids.device)
