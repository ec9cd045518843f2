"""Gumbel and Gaussian noise for sampling.

It is drawn on the CPU, so that a seed gives the same numbers on every device.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Share:
    """One generator's part of a batch: consecutive rows of equal length in columns."""

    generator: torch.Generator
    rows: int
    columns: int


class Noise:
    """Gumbel noise for a batch of clips.

    One generator draws for all rows together. With one generator a clip, each draws as for that clip alone.

    Args:
        shares: the generators' parts, in the order of the rows.
        device: where the noise is used.
        skip: columns drawn but not used before the first one, so that a window gets the noise of the whole clip.
    """

    def __init__(self, shares: Sequence[Share], device: torch.device | str = "cpu", skip: int = 0):
        self.shares, self.device, self.skip = list(shares), device, skip

    @classmethod
    def of(cls, generators: Sequence[torch.Generator], lengths: Sequence[int], columns: int, device, skip: int = 0) -> "Noise":
        """Noise for clips of these lengths in columns, padded to `columns`.

        One generator for all clips, or one a clip.
        """
        if len(generators) == 1:
            return cls([Share(generators[0], len(lengths), columns)], device, skip)
        return cls([Share(g, 1, length) for g, length in zip(generators, lengths, strict=True)], device, skip)

    def repeated(self, n: int) -> "Noise":
        """The same generators, each for n times as many rows."""
        return Noise([replace(share, rows=n * share.rows) for share in self.shares], self.device, self.skip)

    def split(self, x: Tensor) -> list[Tensor]:
        """Split x [B, ...] into the generators' parts."""
        return list(x.split([share.rows for share in self.shares]))

    def for_ids(self, columns: slice, vocab: int) -> Tensor:
        """[B, n, vocab] for the ids of one row in these columns."""
        return self._for_columns(lambda share: (share.rows, share.columns, vocab), columns, 1)

    def for_cells(self, columns: slice, rows: int) -> Tensor:
        """[B, rows, n], one number a cell of these columns."""
        return self._for_columns(lambda share: (share.rows, rows, share.columns), columns, 2)

    def for_column(self, rows: int, vocab: int, drawn: Sequence[bool]) -> Tensor:
        """[rows, B, vocab] for the ids of one column; 0 where `drawn` is False."""
        shapes = [(share, (rows, share.rows, vocab)) for share in self.shares]
        parts = [gumbel(shape, share.generator) if draws else torch.zeros(shape) for (share, shape), draws in zip(shapes, drawn)]
        return torch.cat(parts, 1).to(self.device)

    def normal(self, columns: slice, width: int) -> Tensor:
        """[B, n, width] standard normal numbers for these columns."""
        uniform = self._uniform(lambda share: (share.rows, share.columns, width), columns, 1)
        return (math.sqrt(2) * torch.erfinv(2 * uniform.clamp(1e-7, 1 - 1e-7) - 1)).to(self.device)

    def _for_columns(self, shape: Callable[[Share], tuple[int, ...]], columns: slice, axis: int) -> Tensor:
        return _gumbel_of(self._uniform(shape, columns, axis)).to(self.device)

    def _uniform(self, shape: Callable[[Share], tuple[int, ...]], columns: slice, axis: int) -> Tensor:
        parts = []
        for share in self.shares:
            # After a clip's end there is only padding: any numbers will do.
            wanted = torch.arange(columns.start + self.skip, columns.stop + self.skip).clamp_max(share.columns - 1)
            drawn = _uniform(shape(share), share.generator)
            parts.append(drawn.index_select(axis, wanted.to(drawn.device)))
        return torch.cat(parts)


def gumbel(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Gumbel noise on the generator's device."""
    return _gumbel_of(_uniform(shape, generator))


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device)


def _gumbel_of(uniform: Tensor) -> Tensor:
    return -(-uniform.clamp(1e-20, 1 - 1e-7).log()).log()
