"""The blur of a picture of codes: every cell of a region takes the id of a cell near it.

The counterpart of a Gaussian blur. Ids cannot be averaged, but they can be drawn: with each id written as a vector that is 1 in
its own place and 0 elsewhere, the mean of the blurred picture over many seeds is the Gaussian-blurred picture of those vectors.
No prior and no codec is asked, so that it works on the codes of any.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor

from vqaudio import ranges
from vqaudio.codes import Codes
from vqaudio.errors import InputError

LARGEST = ranges.MOST_BLUR  # cells of radius
CELLS = 4096  # drawn at a time: a row of weights for each is in memory


def blur(
    codes: Codes, mask: Tensor, radius: float = 2.0, strength: float = 1.0, generator: torch.Generator | None = None
) -> Codes:
    """Redraw the cells where the mask is True from their neighbours; all others, and padding, stay as they are.

    A cell's neighbours are the cells of its own stage's picture at a distance d of at most `radius`, itself included, as they
    were before: of a map with bands those in a disc, of a single row those on either side. Each is drawn with a weight of
    exp(-d^2 / (2 s^2)), s = radius / 2. There are none beyond the clip's ends or the lowest and highest band.

    Args:
        mask: bool [B, K, T]. With no cell selected the codes come back as they are.
        radius: cells, 0 to 16, along time as across bands; below 1 a cell has no neighbour but itself.
        strength: 0 to 1, the share of the cells that are redrawn, chosen at random.
        generator: all randomness; None for a fresh one.

    Raises:
        InputError: a mask of the wrong shape, or a radius or strength out of range.
    """
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != codes.ids.shape:
        raise InputError(f"The mask is a bool matrix of the codes' shape {list(codes.ids.shape)}.")
    ranges.check_value("radius", radius, ranges.BlurRadius)
    ranges.check_value("strength", strength, ranges.Share)
    if generator is None:
        generator = torch.Generator()
        generator.seed()
    mask = mask.to(codes.ids.device) & codes.valid[:, None]
    chosen = torch.rand(mask.shape, generator=generator, device=generator.device).to(mask.device) < strength
    around, ids = disc(radius), codes.ids.clone()
    for j, stage in enumerate(codes.spec.stages):
        picture, hole = codes.stage(j), codes.spec.picture(mask & chosen, j)
        exists = codes.valid.repeat_interleave(stage.steps, 1)
        blurred = picture.clone()
        blurred[hole] = _drawn(picture, exists, hole.nonzero(), around, radius, generator)
        ids[:, codes.spec.rows_of(j)] = codes.spec.rows_from(blurred, j)
    return replace(codes, ids=ids)


def disc(radius: float) -> Tensor:
    """The steps [n, 2] (bands, time) to all cells at most `radius` away."""
    reach = math.floor(radius)
    line = torch.arange(-reach, reach + 1)
    steps = torch.cartesian_prod(line, line)
    return steps[steps.square().sum(1) <= radius**2]


def _drawn(picture: Tensor, exists: Tensor, cells: Tensor, around: Tensor, radius: float, generator) -> Tensor:
    """An id for each of the cells [n, 3] (clip, band, time) of a picture [B, bands, W], of which columns [B, W] exist."""
    around = around.to(picture.device)
    weights = torch.exp(-2 * around.square().sum(1) / max(radius, 1) ** 2)
    found = [picture.new_zeros(0)]
    for clip, band, time in (part.split(1, 1) for part in cells.split(CELLS)):
        bands, times = band + around[:, 0], time + around[:, 1]
        inside = (bands >= 0) & (bands < picture.shape[1]) & (times >= 0) & (times < picture.shape[2])
        bands, times = bands.clamp(0, picture.shape[1] - 1), times.clamp(0, picture.shape[2] - 1)
        chances = weights * (inside & exists[clip, times])
        choice = torch.multinomial(chances.to(generator.device), 1, generator=generator).to(picture.device)
        found.append(picture[clip, bands.gather(1, choice), times.gather(1, choice)][:, 0])
    return torch.cat(found)
