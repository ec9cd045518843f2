"""The cells that a prior is to write, as rectangles: so they travel from the page, and so a program names them."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from vqaudio.codes import Codes, parse_stages
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
    spec = codes.spec
    end_s = codes.columns / spec.frame_rate
    n_bands = max(stage.bands for stage in spec.stages)
    mask = torch.zeros(codes.ids.shape, dtype=torch.bool)
    for part in rectangles:
        if part.end_s > end_s + 1e-3:
            raise InputError(f"The mask reaches to {part.end_s:.2f} s, but the clip ends at {end_s:.2f} s.")
        stages = parse_stages(part.stages, len(spec.stages), alone="stage")
        mask |= codes.region(part.start_s, part.end_s, stages, _bands(part.bands, n_bands))
    if not mask.any():
        raise InputError(NOTHING_SELECTED)
    return mask


def _bands(text: str | None, n: int) -> tuple[int, ...] | None:
    """Bands as people write them: the lowest is 1."""
    try:
        return parse_stages(text, n, alone="stage")
    except InputError:
        told = f"Bands are a number, a span such as 2-, or a list such as 1,3; there are bands 1 to {n} here."
        raise InputError(told) from None
