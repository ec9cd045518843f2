"""Layers for columns with many rows: each cell depends on the cells near it.

When a column has dozens of rows (the bands of two maps, each with its stages), attention between all cells would cost a hundred
times as much as attention between columns, and one sum of all coarser rows would lose which band is which. So a transformer over
columns, as in `transformer`, gives each row its own projection of the column; and each cell gets the cells near it (the coarser
ones of its column, those of neighbouring columns) through a weight for every pair of rows and channel. The rows of a stage share
their tables, since they share the codebook.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio.codes import CodeSpec
from vqaudio.nn.transformer import ColumnEmbedding, Rows, label_vectors, random_projection, standardised


def embedding_for(c, spec: CodeSpec):
    """The column embedding of a configuration."""
    return ColumnEmbedding(spec, c.dim, c.table_dim) if c.cell_dim is None else CellEmbedding(spec, c.dim, c.cell_dim)


def rows_for(c, spec: CodeSpec, n_values: tuple[int, ...], steps: tuple[int, ...]):
    """The row distributions of a configuration.

    Args:
        c: a `NetworkConfig`.
        spec: of the codes.
        n_values: number of values of each kind of label.
        steps: offsets of the columns whose cells each cell gets: -1 before its own, 1 after it. Without columns after it, levels
            are written one after the other, and a cell gets none of finer levels.
    """
    if c.cell_dim is None:
        return Rows(spec, c.dim, c.dropout, c.table_dim)
    return CellRows(spec, c.dim, c.cell_dim, c.dropout, n_values, steps)


def levels_of(spec: CodeSpec) -> list[slice]:
    """The rows of each level: consecutive stages whose pictures have the same grid."""
    levels = []
    for j, stage in enumerate(spec.stages):
        same = j and (stage.bands, stage.steps) == (spec.stages[j - 1].bands, spec.stages[j - 1].steps)
        start = levels.pop().start if same else spec.offsets[j]
        levels.append(slice(start, spec.offsets[j + 1]))
    return levels


class CellEmbedding(nn.Module):
    """Embeds a column from its concatenated cells.

    The rows of a stage share a table.
    """

    def __init__(self, spec: CodeSpec, dim: int, cell_dim: int):
        super().__init__()
        first = [0]
        for stage in spec.stages:
            first.append(first[-1] + stage.vocab + 1)  # the last is MASK
        self.table = nn.Embedding(first[-1], cell_dim)
        self.join = nn.Linear(spec.rows * cell_dim, dim)
        self.within = nn.Parameter(torch.randn(spec.rows, spec.rows, cell_dim) / math.sqrt(spec.rows))
        starts = [first[j] for j in spec.stage_of_row]
        self.first_rows = spec.offsets[:-1]
        self.register_buffer("nothing", torch.zeros(spec.rows, cell_dim), persistent=False)  # the coarsest row's input
        self.register_buffer("is_coarser", torch.ones(spec.rows, spec.rows).tril(-1)[..., None], persistent=False)
        self.register_buffer("starts", torch.tensor(starts), persistent=False)
        self.register_buffer("masks", torch.tensor(spec.vocab_of_row), persistent=False)

    @torch.no_grad()
    def start_from(self, codewords: list[Tensor]) -> None:
        """Start from the projected codewords [V, D] of each row."""
        projection = random_projection(codewords[0].shape[1], self.table.embedding_dim)
        for row, words in zip(self.first_rows, standardised([codewords[row] for row in self.first_rows])):
            start = int(self.starts[row])
            self.table.weight[start : start + len(words)] = words @ projection

    def rows(self, ids: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Ids [B, K, T], hidden bool [B, K, T] (embedded as MASK) -> [B, T, K, cell_dim]."""
        if hidden is not None:
            ids = torch.where(hidden, self.masks[:, None], ids)
        return self.table((ids + self.starts[:, None]).transpose(1, 2))

    def tables(self) -> list[tuple[Tensor, Tensor]]:
        """Each row's part of the table and its weights in finer rows, for `row`.

        [V + 1, cell_dim] and [K, cell_dim].
        """
        tables = [self.table.weight[start : start + n + 1] for start, n in zip(self.starts.tolist(), self.masks.tolist())]
        return list(zip(tables, (self.within * self.is_coarser).unbind(1)))

    def row(self, table: tuple[Tensor, Tensor], ids: Tensor) -> Tensor:
        """The contribution of one row's ids [...] to each row: [..., K, cell_dim]."""
        return F.embedding(ids, table[0])[..., None, :] * table[1]

    def coarser(self, rows: Tensor) -> Tensor:
        """The contribution of each row's coarser rows, [B, T, K, cell_dim]."""
        return mixed(rows, self.within * self.is_coarser)

    def joined(self, rows: Tensor, level: slice = slice(None)) -> Tensor:
        """Project a level's cells of [B, T, K, cell_dim] to columns [B, T, dim]."""
        weight = self.join.weight.view(self.join.out_features, rows.shape[2], -1)[:, level]
        return F.linear(rows[:, :, level].flatten(2), weight.flatten(1), self.join.bias)

    def forward(self, ids: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Embed ids [B, K, T] as columns [B, T, dim]."""
        return self.joined(self.rows(ids, hidden))


class CellRows(nn.Module):
    """The distribution of each row, given the context, labels and cells near it."""

    def __init__(
        self, spec: CodeSpec, dim: int, cell_dim: int, dropout: float, n_values: tuple[int, ...], steps: tuple[int, ...]
    ):
        super().__init__()
        rows, self.cell_dim, self.steps = spec.rows, cell_dim, steps
        self.stages = [spec.rows_of(j) for j in range(len(spec.stages))]
        self.readout = nn.Parameter(torch.randn(rows, cell_dim, dim) / math.sqrt(dim))
        self.place = RowPositions(spec, cell_dim)
        self.labels = nn.ModuleList(nn.Embedding(n + 1, cell_dim) for n in n_values)  # the last id: no label
        self.across = nn.Parameter(torch.randn(len(steps), rows, rows, cell_dim) / rows + torch.eye(rows)[..., None])
        self.norms = nn.ModuleList(nn.LayerNorm(cell_dim) for _ in range(2))
        self.widen, self.narrow = nn.Linear(cell_dim, 3 * cell_dim), nn.Linear(3 * cell_dim, cell_dim)
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ParameterList(0.2 * torch.randn(cell_dim, s.vocab) / math.sqrt(cell_dim) for s in spec.stages)
        self.biases = nn.ParameterList(torch.zeros(s.rows, s.vocab) for s in spec.stages)
        level = torch.cat([torch.full((part.stop - part.start,), n) for n, part in enumerate(levels_of(spec))])
        seen = level[:, None] >= level if max(steps) < 0 else torch.ones(rows, rows, dtype=torch.bool)
        self.register_buffer("is_seen", seen[..., None].float(), persistent=False)

    @torch.no_grad()
    def start_from(self, codewords: list[Tensor]) -> None:
        """Start from logits that are inner products with the projected codewords.

        The codewords are [V, D] of each row.
        """
        projection = random_projection(self.cell_dim, codewords[0].shape[1])
        for head, words in zip(self.heads, standardised([codewords[rows.start] for rows in self.stages])):
            size = words.square().mean().sqrt() + 1e-9
            head[:, : len(words)] = 0.5 * projection @ (words / size).T / math.sqrt(words.shape[1])

    def near(self, rows: Tensor, valid: Tensor) -> list[Tensor]:
        """Vectors [B, T, K, cell_dim] of neighbouring columns, one tensor an offset.

        They are 0 beyond the ends.
        """
        rows = rows * valid[:, :, None, None]
        return [F.pad(rows[:, max(0, n) : rows.shape[1] + min(0, n)], (0, 0, 0, 0, max(0, -n), max(0, n))) for n in self.steps]

    def seen(self, contexts: list[tuple[slice, Tensor]], beside: list[Tensor], labels: Tensor) -> Tensor:
        """The input of every cell besides coarser cells: [B, T, K, cell_dim].

        Args:
            contexts: for some levels (their rows) the column's context [B, T, dim]; the cells of other levels get none.
            beside: from `near`.
            labels: [B, kinds], or [B, kinds, K, T] of each cell.
        """
        (batch, columns, dim), rows = contexts[0][1].shape, len(self.readout)
        parts = []
        for level, context in contexts:
            weight = self.readout[level].reshape(-1, dim)
            parts.append(F.linear(context, weight).view(batch, columns, -1, self.cell_dim))
        x = parts[0] if len(parts) == 1 and parts[0].shape[2] == rows else _placed(parts, contexts, rows)
        for weights, vectors in zip(self.across, beside):
            x = x + mixed(vectors, weights * self.is_seen)
        return x + label_vectors(self.labels, labels, each_cell=True)

    def read(self, seen: Tensor) -> Tensor:
        """The output of `seen`, unchanged: there is nothing to share between rows."""
        return seen

    def each(self) -> list["CellPart"]:
        """The rows' parameters, one by one, for `one`."""
        heads = [head for head, biases in zip(self.heads, self.biases) for _ in biases]
        biases = [bias for biases in self.biases for bias in biases]
        return [CellPart(*part) for part in zip(range(len(heads)), self.place(), heads, biases)]

    def one(self, part: "CellPart", seen: Tensor, coarser: Tensor) -> Tensor:
        """One row's logits [..., V].

        From `each`, `read` and the coarser rows' contribution [..., K, cell_dim].
        """
        x = self._inner(seen[..., part.row, :] + coarser[..., part.row, :] + part.place)
        return (x @ part.head + part.bias).float()

    def losses(self, seen: Tensor, coarser: Tensor, ids: Tensor, cells: Tensor) -> Tensor:
        """Negative log-probabilities [B, K, T] in nats; see `Rows.losses`."""
        x = seen + coarser + self.place()
        ids, chosen = ids.transpose(1, 2), cells.transpose(1, 2)
        losses = torch.zeros(ids.shape, device=ids.device)
        for j, rows in enumerate(self.stages):
            here = chosen[:, :, rows]
            row = torch.arange(here.shape[2], device=ids.device).expand(here.shape)[here]
            logits = self._inner(x[:, :, rows][here]) @ self.heads[j] + self.biases[j][row]
            losses[:, :, rows][here] = F.cross_entropy(logits.float(), ids[:, :, rows][here], reduction="none")
        return losses.transpose(1, 2)

    def _inner(self, x: Tensor) -> Tensor:
        """[..., cell_dim] -> the vectors from which the logits are computed."""
        return self.norms[1](x + self.dropout(self.narrow(F.gelu(self.widen(self.norms[0](x))))))


class CellPart(NamedTuple):
    """One row's parameters."""

    row: int
    place: Tensor
    head: Tensor
    bias: Tensor


class RowPositions(nn.Module):
    """Embeds the position of each row: the sum of vectors for stage, band and step.

    forward() -> [K, width].
    """

    def __init__(self, spec: CodeSpec, width: int):
        super().__init__()
        cells = [(j, b, s) for j, stage in enumerate(spec.stages) for b in range(stage.bands) for s in range(stage.steps)]
        self.register_buffer("cells", torch.tensor(cells).T.contiguous(), persistent=False)
        sizes = len(spec.stages), max(s.bands for s in spec.stages), max(s.steps for s in spec.stages)
        self.tables = nn.ParameterList(0.1 * torch.randn(n, width) for n in sizes)
        self.own = nn.Parameter(torch.zeros(spec.rows, width))

    def forward(self) -> Tensor:
        return self.own + sum(table[at] for table, at in zip(self.tables, self.cells))


def mixed(vectors: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums over rows, [B, T, K, d].

    Vectors [B, T, K, d], weights [K, K, d]: to, from, channel.
    """
    batch, columns, rows, d = vectors.shape
    x = vectors.permute(3, 0, 1, 2).reshape(d, batch * columns, rows)
    return torch.bmm(x, weights.permute(2, 1, 0)).view(d, batch, columns, rows).permute(1, 2, 3, 0)


def _placed(parts: list[Tensor], contexts: list[tuple[slice, Tensor]], rows: int) -> Tensor:
    """Put the levels' parts, each [B, T, its rows, d], into columns of all rows."""
    x = parts[0].new_zeros(*parts[0].shape[:2], rows, parts[0].shape[3])
    for part, (level, _) in zip(parts, contexts):
        x[:, :, level] = part
    return x
