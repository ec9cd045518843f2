"""Selected cells as rectangles, as the page and programs send them."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from vqaudio import masks
from vqaudio.codes import Codes
from vqaudio.errors import InputError
from vqaudio.ui.wire import Message

MAX_RECTANGLES = 20_000  # a random half of the cells of a minute, 12 stages
NOTHING_SELECTED = "No cell is selected: drag over the map, or press one of the mask buttons."
Seconds = Annotated[float, Field(ge=0, le=3600)]


class Rectangle(Message):
    """A range of time, stages and bands; stages and bands count from 1, as in "2-"."""

    start_s: Seconds
    end_s: Seconds
    stages: Annotated[str, Field(max_length=200)] | None = None
    bands: Annotated[str, Field(max_length=200)] | None = None


Rectangles = Annotated[list[Rectangle], Field(max_length=MAX_RECTANGLES)]


class Mask(Message):
    rectangles: Rectangles


def mask_of(codes: Codes, rectangles: list[Rectangle]) -> Tensor:
    """The mask bool [B, K, T] of some rectangles.

    Raises:
        InputError: a rectangle is outside the clip, a stage does not exist, or no cell is selected.
    """
    end_s = codes.columns / codes.spec.frame_rate
    for part in rectangles:
        if part.end_s > end_s + 1e-3:
            raise InputError(f"The mask reaches to {part.end_s:.2f} s, but the clip ends at {end_s:.2f} s.")
    mask = masks.from_rectangles((part.model_dump() for part in rectangles), codes)
    if not mask.any():
        raise InputError(NOTHING_SELECTED)
    return mask
