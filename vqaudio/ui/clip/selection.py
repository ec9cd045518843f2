"""The cells that a prior is to write, as rectangles: so they travel from the page, and so a program names them."""

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
    """Time x stages x bands. Stages and bands as people write them, from 1: "2-", "1,3", or None for all."""

    start_s: Seconds
    end_s: Seconds
    stages: Annotated[str, Field(max_length=200)] | None = None
    bands: Annotated[str, Field(max_length=200)] | None = None


Rectangles = Annotated[list[Rectangle], Field(max_length=MAX_RECTANGLES)]


class Mask(Message):
    rectangles: Rectangles


def mask_of(codes: Codes, rectangles: list[Rectangle]) -> Tensor:
    """bool [B, K, T], True where a rectangle lies. Raises InputError: outside the clip, no such stage, or no cell at all."""
    end_s = codes.columns / codes.spec.frame_rate
    for part in rectangles:
        if part.end_s > end_s + 1e-3:
            raise InputError(f"The mask reaches to {part.end_s:.2f} s, but the clip ends at {end_s:.2f} s.")
    mask = masks.from_rectangles((part.model_dump() for part in rectangles), codes)
    if not mask.any():
        raise InputError(NOTHING_SELECTED)
    return mask
