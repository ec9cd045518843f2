"""Gumbel noise for sampling: drawn on the CPU, so that a seed gives the same numbers on every device."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Share:
    """One generator's part of a batch: so many rows, one after the other, with so many columns each."""

    generator: torch.Generator
    rows: int
    columns: int


class Noise:
    """Gumbel noise for a batch of clips.

    One generator draws for all rows together. With one generator a clip, each draws what it would draw for that clip alone.

    Args:
        shares: the generators' parts, in the order of the rows.
        device: where the noise is used.
        skip: columns that are drawn before the first one that is used: a window's ids are then those of the whole clip.
    """

    def __init__(self, shares: Sequence[Share], device: torch.device | str = "cpu", skip: int = 0):
        self.shares, self.device, self.skip = list(shares), device, skip

    @classmethod
    def of(cls, generators: Sequence[torch.Generator], lengths: Sequence[int], columns: int, device, skip: int = 0) -> "Noise":
        """Noise for clips of these lengths, padded to so many columns, from one generator or from one a clip."""
        if len(generators) == 1:
            return cls([Share(generators[0], len(lengths), columns)], device, skip)
        return cls([Share(g, 1, length) for g, length in zip(generators, lengths, strict=True)], device, skip)

    def repeated(self, n: int) -> "Noise":
        """The same generators for n rows in place of each."""
        return Noise([replace(share, rows=n * share.rows) for share in self.shares], self.device, self.skip)

    def split(self, x: Tensor) -> list[Tensor]:
        """x [B, ...] in the shares' parts."""
        return list(x.split([share.rows for share in self.shares]))

    def for_ids(self, columns: slice, vocab: int) -> Tensor:
        """[B, n, vocab] for the ids of one row in these columns."""
        return self._for_columns(lambda share: (share.rows, share.columns, vocab), columns, 1)

    def for_cells(self, columns: slice, rows: int) -> Tensor:
        """[B, rows, n], one number for each cell of these columns."""
        return self._for_columns(lambda share: (share.rows, rows, share.columns), columns, 2)

    def for_column(self, rows: int, vocab: int, drawn: Sequence[bool]) -> Tensor:
        """[rows, B, vocab] for the ids of one column; only the shares named in `drawn` draw, and the others are zero."""
        shapes = [(share, (rows, share.rows, vocab)) for share in self.shares]
        parts = [gumbel(shape, share.generator) if draws else torch.zeros(shape) for (share, shape), draws in zip(shapes, drawn)]
        return torch.cat(parts, 1).to(self.device)

    def _for_columns(self, shape: Callable[[Share], tuple[int, ...]], columns: slice, axis: int) -> Tensor:
        parts = []
        for share in self.shares:
            # Beyond its own end a clip has padding only: any numbers do.
            wanted = torch.arange(columns.start + self.skip, columns.stop + self.skip).clamp_max(share.columns - 1)
            drawn = _uniform(shape(share), share.generator)
            parts.append(drawn.index_select(axis, wanted.to(drawn.device)))
        return _gumbel_of(torch.cat(parts)).to(self.device)


def gumbel(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Gumbel noise where the generator lives."""
    return _gumbel_of(_uniform(shape, generator))


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device)


def _gumbel_of(uniform: Tensor) -> Tensor:
    return -(-uniform.clamp(1e-20, 1 - 1e-7).log()).log()
