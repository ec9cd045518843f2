"""Conversions between grids of cells and columns [B, rows, T].

Grids are [B, C, bands, T * steps] or [B, bands, T * steps, C].
"""

import torch
from torch import Tensor

from vqaudio.codes import Stage


def to_columns(grid: Tensor, steps: int) -> Tensor:
    """[B, C, bands, T * steps] -> [B, bands * steps * C, T]."""
    batch, channels, bands, n = grid.shape
    return grid.reshape(batch, channels, bands, n // steps, steps).permute(0, 2, 4, 1, 3).reshape(batch, -1, n // steps)


def to_grid(columns: Tensor, channels: int, stage: Stage) -> Tensor:
    """[B, bands * steps * C, T] -> [B, C, bands, T * steps]."""
    batch, _, n = columns.shape
    parts = columns.reshape(batch, stage.bands, stage.steps, channels, n)
    return parts.permute(0, 3, 1, 4, 2).reshape(batch, channels, stage.bands, n * stage.steps)


def to_rows(grid: Tensor, steps: int) -> Tensor:
    """[B, bands, T * steps] -> [B, bands * steps, T]: the rows of a stage."""
    return to_columns(grid[:, None], steps)


def merge(x: Tensor, ratio: tuple[int, int]) -> Tensor:
    """Join cells into larger ones, by a ratio (r, s) of bands and steps.

    [B, bands, n, C] -> [B, bands / r, n / s, r * s * C].
    """
    batch, bands, n, channels = x.shape
    x = x.reshape(batch, bands // ratio[0], ratio[0], n // ratio[1], ratio[1], channels)
    return x.transpose(2, 3).flatten(3)


def split(x: Tensor, ratio: tuple[int, int]) -> Tensor:
    """The inverse of `merge`."""
    batch, bands, n, _ = x.shape
    x = x.reshape(batch, bands, n, *ratio, -1).transpose(2, 3)
    return x.reshape(batch, bands * ratio[0], n * ratio[1], -1)


def principal(x: Tensor, dims: int) -> tuple[Tensor, Tensor, Tensor]:
    """Principal components of vectors [bands, n, D], band by band.

    Returns:
        mean [bands, 1, D]; components [bands, D, dims], orthonormal, by falling variance, padded with zeros if D < dims; spread
        [bands, 1, 1], the root of the components' mean variance.
    """
    mean = x.mean(1, keepdim=True)
    centred = x - mean
    squares = centred.double()  # in single precision the decomposition sometimes fails for equal variances
    values, vectors = (part.to(x.dtype) for part in torch.linalg.eigh(squares.transpose(1, 2) @ squares / x.shape[1]))
    kept = min(dims, x.shape[2])
    components = x.new_zeros(x.shape[0], x.shape[2], dims)
    components[..., :kept] = vectors.flip(-1)[..., :kept]
    spread = values.flip(-1)[..., :kept].clamp_min(0).mean(-1).sqrt().clamp_min(1e-4)
    return mean, components, spread[:, None, None]
