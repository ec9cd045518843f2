"""Gaps in clips' codes, and the baselines for filling them."""

from dataclasses import replace

import torch
from torch import Tensor

from vqaudio.codec import Codec
from vqaudio.codes import Codes, CodeSpec

HOLE_SHARE = 0.3
HOLE_BANDS = (0.25, 0.75)  # limits of a gap in some bands only, 0 to 1 from the lowest to the highest band


def middle_hole(codes: Codes, seconds: float | None = None, bands: tuple[float, float] | None = None) -> Tensor:
    """Mask a gap in the middle of each clip.

    Args:
        codes: the clips.
        seconds: length of the gap; None for 30 % of the clip.
        bands: limits of the bands, 0 to 1 from the lowest to the highest; None for all rows.

    Returns:
        bool [B, K, T], True in the gap.
    """
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
    """Whether some of the bands can be masked without masking all of them."""
    return all(stage.bands > 1 for stage in spec.stages)


def repeat_last(codes: Codes, mask: Tensor) -> Codes:
    """Fill the gap by repeating the last column before it."""
    columns = torch.arange(codes.columns).expand(mask.shape[0], -1)
    source = torch.where(mask.any(1), -1, columns).cummax(-1).values.clamp_min(0)
    repeated = codes.ids.gather(2, source[:, None].expand(codes.ids.shape))
    return replace(codes, ids=torch.where(mask, repeated, codes.ids))


@torch.no_grad()
def interpolated(codec: Codec, codes: Codes, mask: Tensor) -> Codes:
    """Fill the gap by interpolating codewords between its edges.

    Each band of each stage follows a straight line from the codeword before the gap to the one after it, and takes the nearest
    codeword. A gap at an end of the clip holds its one edge.
    """
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
    """Fill the gap with the codes of silence."""
    columns = 2 * codec.context + 3
    quiet = codec.encode(torch.zeros(1, 1, columns * codec.hop)).ids[:, :, columns // 2].cpu()
    return replace(codes, ids=torch.where(mask, quiet[..., None].to(codes.ids.dtype), codes.ids))
