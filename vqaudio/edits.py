"""Edits of selected cells without a prior: erase, randomise, smear.

A mask is bool [B, K, T]; all cells where it is False, and padding, stay as they are.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor

from vqaudio import masks, ranges
from vqaudio.codes import Codes
from vqaudio.randomness import fresh_generator

LARGEST_BLUR = ranges.MOST_BLUR  # radius in cells
BLUR_CELLS = 4096  # blurred at a time: each needs a row of weights in memory


def erase(codec, codes: Codes, mask: Tensor) -> Codes:
    """Replace the selected cells by the codes of silence.

    Silence of the clip's length and level is encoded, and its ids are used. The decoder also sees the cells nearby, so the
    result need not be silent.

    Args:
        codec: the codec that made the codes.
        codes: [B, K, T].
        mask: bool [B, K, T].

    Raises:
        InputError: codes of another codec, or a mask of the wrong shape.
    """
    codec.check_codes(codes)
    selected = masks.cells(codes, mask)
    silence = torch.zeros(len(codes), 1, int(codes.lengths.max()))
    quiet = codec.encode(silence, codes.lengths, level_db=codes.level_db).ids[:, : codes.spec.rows]
    return replace(codes, ids=torch.where(selected, quiet.to(codes.ids), codes.ids))


def randomise(codes: Codes, mask: Tensor, generator: torch.Generator | None = None) -> Codes:
    """Replace the selected cells by random codewords, all equally likely.

    Args:
        codes: [B, K, T].
        mask: bool [B, K, T].
        generator: all randomness; None for a fresh one.

    Raises:
        InputError: a mask of the wrong shape.
    """
    selected = masks.cells(codes, mask)
    vocab = torch.tensor(codes.spec.vocab_of_row)[None, :, None]
    drawn = (torch.rand(codes.ids.shape, generator=generator or fresh_generator(), dtype=torch.float64) * vocab).long()
    return replace(codes, ids=torch.where(selected, drawn.to(codes.ids), codes.ids))


def smear(
    codes: Codes, mask: Tensor, radius: float = 2.0, strength: float = 1.0, generator: torch.Generator | None = None
) -> Codes:
    """Replace the selected cells by copies of their neighbours.

    It is a Gaussian blur for ids.

    A cell's neighbours are the cells in the picture of its stage at a distance d of at most `radius`, itself included, before
    the blur: a disc in a stage with bands, both sides in a stage with one row. Each is drawn with a weight of
    exp(-d^2 / (2 s^2)), s = radius / 2. There are none beyond the clip's ends or the lowest and highest band. With ids as
    one-hot vectors, the mean over many seeds is the Gaussian blur of the picture.

    Args:
        codes: [B, K, T] of any codec.
        mask: bool [B, K, T]. If no cell is selected, the codes come back unchanged.
        radius: cells, 0 to 16, along time and across bands; below 1 a cell's only neighbour is itself.
        strength: 0 to 1, the share of the selected cells that are redrawn, chosen at random.
        generator: all randomness; None for a fresh one.

    Raises:
        InputError: a mask of the wrong shape, or a radius or strength out of range.
    """
    mask = masks.cells(codes, mask)
    ranges.check_value("radius", radius, ranges.BlurRadius)
    ranges.check_value("strength", strength, ranges.Share)
    generator = generator or fresh_generator()
    chosen = torch.rand(mask.shape, generator=generator, device=generator.device).to(mask.device) < strength
    neighbours, ids = disc(radius), codes.ids.clone()
    for j, stage in enumerate(codes.spec.stages):
        picture, hole = codes.stage(j), codes.spec.picture(mask & chosen, j)
        exists = codes.valid.repeat_interleave(stage.steps, 1)
        blurred = picture.clone()
        blurred[hole] = _blurred(picture, exists, hole.nonzero(), neighbours, radius, generator)
        ids[:, codes.spec.rows_of(j)] = codes.spec.rows_from(blurred, j)
    return replace(codes, ids=ids)


def disc(radius: float) -> Tensor:
    """Offsets [n, 2] (bands, time) to all cells at most `radius` cells away."""
    reach = math.floor(radius)
    line = torch.arange(-reach, reach + 1)
    offsets = torch.cartesian_prod(line, line)
    return offsets[offsets.square().sum(1) <= radius**2]


def _blurred(picture: Tensor, exists: Tensor, cells: Tensor, neighbours: Tensor, radius: float, generator) -> Tensor:
    """New ids of the cells [n, 3] (clip, band, time) of a picture [B, bands, W], of which columns [B, W] exist."""
    neighbours = neighbours.to(picture.device)
    weights = torch.exp(-2 * neighbours.square().sum(1) / max(radius, 1) ** 2)
    drawn = [picture.new_zeros(0)]
    for clip, band, time in (part.split(1, 1) for part in cells.split(BLUR_CELLS)):
        bands, times = band + neighbours[:, 0], time + neighbours[:, 1]
        inside = (bands >= 0) & (bands < picture.shape[1]) & (times >= 0) & (times < picture.shape[2])
        bands, times = bands.clamp(0, picture.shape[1] - 1), times.clamp(0, picture.shape[2] - 1)
        chances = weights * (inside & exists[clip, times])
        choice = torch.multinomial(chances.to(generator.device), 1, generator=generator).to(picture.device)
        drawn.append(picture[clip, bands.gather(1, choice), times.gather(1, choice)][:, 0])
    return torch.cat(drawn)
