"""Random areas of codes to hide in training."""

import torch
from torch import Tensor


def random_area(valid: Tensor, band_of_row: Tensor) -> Tensor:
    """Choose an area of each clip at random.

    It is the whole clip, a span of time, or scattered columns; with bands, sometimes only some of them.

    Args:
        valid: bool [B, T].
        band_of_row: [K] the height of each row's band, 0 to 1; see `band_heights`.

    Returns:
        bool [B, K or 1, T]; padding may be inside.
    """
    (batch, columns), device = valid.shape, valid.device
    chance = lambda *shape: torch.rand(*shape, device=device)  # noqa: E731
    lengths = valid.sum(-1, keepdim=True)
    width = (chance(batch, 1) * lengths).ceil()
    start = chance(batch, 1) * (lengths - width)
    time = torch.arange(columns, device=device)
    span = (time >= start.floor()) & (time < start.floor() + width)
    scattered = chance(batch, columns) < chance(batch, 1)
    kind = chance(batch, 1)
    area = torch.where(kind < 0.5, True, torch.where(kind < 0.85, span, scattered))[:, None]
    if len(band_of_row.unique()) > 1:
        low, high = chance(2, batch, 1).sort(0).values
        some = (band_of_row >= low) & (band_of_row <= high) | (chance(batch, 1) > 0.25)
        area = area & some[:, :, None]
    return area


def band_heights(spec) -> Tensor:
    """The height of each row's band, [K], 0 to 1 from low to high."""
    heights = [(band + 0.5) / stage.bands for stage in spec.stages for band in range(stage.bands) for _ in range(stage.steps)]
    return torch.tensor(heights)
