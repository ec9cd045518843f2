"""Holes in clips' codes, and what a prior is compared with in filling them."""

from dataclasses import replace

import torch
from torch import Tensor

from vqaudio.codec import Codec
from vqaudio.codes import Codes, CodeSpec

HOLE_SHARE = 0.3
HOLE_BANDS = (0.25, 0.75)  # of a hole in some of the bands only: where it begins and ends, 0 to 1 from the lowest to the highest


def middle_hole(codes: Codes, seconds: float | None = None, bands: tuple[float, float] | None = None) -> Tensor:
    """bool [B, K, T]: so many seconds, or 30 %, in the middle of each clip; all rows, or those of the bands in this part."""
    n = codes.valid.sum(-1, keepdim=True)
    wanted = HOLE_SHARE * n if seconds is None else torch.full_like(n, 1) * seconds * codes.spec.frame_rate
    width = wanted.round().clamp_min(1)
    start = torch.div(n - width, 2, rounding_mode="floor")
    time = torch.arange(codes.columns)[None]
    hole = ((time >= start) & (time < start + width))[:, None].expand(codes.ids.shape)
    if bands is None:
        return hole
    rows = [(band + 0.5) / stage.bands for stage in codes.spec.stages for band in range(stage.bands) for _ in range(stage.steps)]
    return hole & torch.tensor([bands[0] <= height < bands[1] for height in rows])[None, :, None]


def has_bands(spec: CodeSpec) -> bool:
    """Whether a hole in some of the bands is another one than a hole in all."""
    return all(stage.bands > 1 for stage in spec.stages)


def repeat_last(codes: Codes, mask: Tensor) -> Codes:
    """The plain baseline: the last column before the hole, again and again."""
    columns = torch.arange(codes.columns).expand(mask.shape[0], -1)
    source = torch.where(mask.any(1), -1, columns).cummax(-1).values.clamp_min(0)
    repeated = codes.ids.gather(2, source[:, None].expand(codes.ids.shape))
    return replace(codes, ids=torch.where(mask, repeated, codes.ids))


@torch.no_grad()
def interpolated(codec: Codec, codes: Codes, mask: Tensor) -> Codes:
    """Between the hole's two edges: each band of each stage goes in a straight line from the codeword before the hole to the one
    behind it, and takes the codeword that is nearest. A hole that touches an end of the clip holds its one edge."""
    ids = codes.ids.clone()
    for j, stage in enumerate(codes.spec.stages):
        picture, hole, words = codes.stage(j), codes.spec.picture(mask, j), codec.codewords(j).cpu()
        exists = codes.valid.repeat_interleave(stage.steps, 1)[:, None] & ~hole
        at = torch.arange(picture.shape[2]).expand(picture.shape)
        before = torch.where(exists, at, -1).cummax(-1).values
        end = picture.shape[2]
        after = torch.where(exists, at, end).flip(-1).cummin(-1).values.flip(-1)
        before, after = torch.where(before < 0, after, before), torch.where(after == end, before, after)
        share = ((at - before) / (after - before).clamp_min(1))[..., None].clamp(0, 1)
        ends = [words[picture.gather(2, edge.clamp(0, end - 1))] for edge in (before, after)]
        near = torch.cdist(torch.lerp(*ends, share)[hole], words).argmin(-1)
        filled = picture.clone()
        filled[hole] = near.to(picture.dtype)
        ids[:, codes.spec.rows_of(j)] = codes.spec.rows_from(filled, j)
    return replace(codes, ids=ids)


@torch.no_grad()
def silenced(codec: Codec, codes: Codes, mask: Tensor) -> Codes:
    """With the codes of silence in the hole."""
    columns = 2 * codec.context + 3
    quiet = codec.encode(torch.zeros(1, 1, columns * codec.hop)).ids[:, :, columns // 2].cpu()
    return replace(codes, ids=torch.where(mask, quiet[..., None].to(codes.ids.dtype), codes.ids))
