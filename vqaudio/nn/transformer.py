"""Layers over columns of codes [B, K, T] that several priors share: embedding, positions, attention, the rows of a column."""

import math
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio.codes import CodeSpec


def spread_over(untold: Tensor, labels: Tensor) -> Tensor:
    """[kinds] as labels [B, kinds] or [B, kinds, K, T] that say nothing."""
    return untold.view(-1, *[1] * (labels.ndim - 2)).expand_as(labels)


class ColumnEmbedding(nn.Module):
    """A column's vector: the sum over its rows of a vector for each row's id, or for MASK."""

    nothing = 0.0  # what the coarsest row is given of coarser rows

    def __init__(self, spec: CodeSpec, dim: int, table_dim: int | None = None):
        super().__init__()
        starts = [0]
        for vocab in spec.vocab_of_row:
            starts.append(starts[-1] + vocab + 1)  # one more for MASK, which is the last
        self.table = nn.Embedding(starts[-1], table_dim or dim)
        self.turn = nn.Linear(table_dim, dim, bias=False) if table_dim else nn.Identity()
        nn.init.normal_(self.table.weight, std=1 / math.sqrt(spec.rows))
        self.register_buffer("starts", torch.tensor(starts[:-1]), persistent=False)
        self.register_buffer("masks", torch.tensor(spec.vocab_of_row), persistent=False)

    @torch.no_grad()
    def start_from(self, codewords: list[Tensor]) -> None:
        """Begin with the codec's codewords, [V, D] of each row, turned at random: ids that sound alike lie close together."""
        turn = turned_at_random(codewords[0].shape[1], self.table.embedding_dim)
        for start, words in zip(self.starts.tolist(), standardised(codewords)):
            self.table.weight[start : start + len(words)] = words @ turn

    def rows(self, ids: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Ids [B, K, T], hidden bool [B, K, T] (shown as MASK) -> [B, T, K, dim]."""
        if hidden is not None:
            ids = torch.where(hidden, self.masks[:, None], ids)
        return self.turn(self.table((ids + self.starts[:, None]).transpose(1, 2)))

    def tables(self) -> list[Tensor]:
        """Each row's part of the table, [V + 1, width], for `row`."""
        return list(self.table.weight.split([n + 1 for n in self.masks.tolist()]))

    def row(self, table: Tensor, ids: Tensor) -> Tensor:
        """One of `tables`, ids [...] of that row -> [..., dim]."""
        return self.turn(F.embedding(ids, table))

    def joined(self, rows: Tensor, level: slice = slice(None)) -> Tensor:
        """The rows' vectors [B, T, K, dim], of which those of a level -> the column's [B, T, dim]."""
        return rows[:, :, level].sum(2)

    def coarser(self, rows: Tensor) -> Tensor:
        """The rows' vectors [B, T, K, dim] -> what each row is given of the coarser ones: their sum."""
        return rows.cumsum(2) - rows


def turned_at_random(before: int, after: int) -> Tensor:
    """A matrix [before, after] that keeps distances as far as it can: of random directions, or nothing where it need not turn."""
    return torch.eye(before) if before == after else torch.randn(before, after) / math.sqrt(before)


def standardised(codewords: list[Tensor]) -> list[Tensor]:
    """Codewords [V, D] of each row, centred and scaled together: fine rows stay smaller, but by the root of what they were."""
    centred = [words - words.mean(0) for words in codewords]
    sizes = [float(words.square().mean().sqrt()) + 1e-9 for words in centred]
    return [words / math.sqrt(size * max(sizes)) for words, size in zip(centred, sizes)]


class Conditions(nn.Module):
    """What every column is told beside its ids: the labels, and its distances from the clip's two ends."""

    def __init__(self, n_values: tuple[int, ...], dim: int):
        super().__init__()
        self.labels = nn.ModuleList(nn.Embedding(n + 1, dim) for n in n_values)  # the last: not told
        self.places = nn.Linear(4 * PERIODS, dim)
        for embedding in self.labels:
            nn.init.normal_(embedding.weight, std=0.5)

    def forward(self, labels: Tensor, valid: Tensor, cut: Tensor | None = None) -> Tensor:
        """Labels [B, kinds], or [B, kinds, K, T] of each cell, valid [B, T], cut [B, 2] columns of the clip before and behind
        these -> [B, T, dim]. A column whose cells' labels differ is told their mean."""
        after = valid.sum(-1, keepdim=True) - 1
        before = torch.arange(valid.shape[1], device=valid.device).expand(valid.shape)
        after = (after - before).clamp_min(0)
        if cut is not None:
            before, after = before + cut[:, :1], after + cut[:, 1:]
        places = self.places(torch.cat([waves(before.clamp_max(FAR)), waves(after.clamp_max(FAR))], dim=-1))
        return places + label_vectors(self.labels, labels)


def label_vectors(tables: nn.ModuleList, labels: Tensor, each_cell: bool = False) -> Tensor | float:
    """The sum over the kinds of label of each one's vector.

    Args:
        labels: [B, kinds], or [B, kinds, K, T] of each cell.
        each_cell: whether each cell has its own, [B, 1, 1, dim] or [B, T, K, dim]; else the mean of a column, [B, 1 or T, dim].
    """
    if labels.ndim == 2:
        told = sum(table(labels[:, i])[:, None] for i, table in enumerate(tables))
        return told[:, None] if each_cell and len(tables) else told
    if each_cell:
        return sum(table(labels[:, i].mT) for i, table in enumerate(tables))
    return sum(shares(labels[:, i], table.num_embeddings) @ table.weight for i, table in enumerate(tables))


def shares(labels: Tensor, n: int) -> Tensor:
    """Labels [B, K, T] in range(n) -> what share of a column's cells has each, [B, T, n]."""
    ones = torch.full((), 1 / labels.shape[1], device=labels.device).expand(labels.mT.shape)
    return torch.zeros(labels.shape[0], labels.shape[2], n, device=labels.device).scatter_add_(2, labels.mT, ones)


def some_untold(labels: Tensor, untold: Tensor, share: float) -> Tensor:
    """Labels [B, kinds] or [B, kinds, K, T], of which a share of the clips is not told a kind, each kind by itself."""
    dropped = torch.rand(labels.shape[:2], device=labels.device) < share
    return torch.where(dropped.view(*dropped.shape, *[1] * (labels.ndim - 2)), spread_over(untold, labels), labels)


PERIODS = 8
FAR = 150  # columns; what is farther from an end is told no more than that


def waves(position: Tensor) -> Tensor:
    """Positions [...] -> sines and cosines [..., 2 * PERIODS] (Vaswani et al. 2017, section 3.5), for any length."""
    rates = torch.exp(-math.log(200.0) * torch.arange(PERIODS, device=position.device) / (PERIODS - 1))
    angle = position[..., None] * rates
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def turns(n: int, d: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """For the rotary position embedding of [..., n, d]: cosines for it, sines for its swapped halves, [n, d] each."""
    rates = 10000.0 ** (-torch.arange(d // 2, device=device) / (d // 2))
    angle = torch.arange(n, device=device)[:, None] * rates
    cos, sin = angle.cos(), angle.sin()
    return torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding (Su et al. 2021, equation 34) of [..., T, d], with what `turns` gives."""
    swapped = x.unflatten(-1, (2, -1)).flip(-2).flatten(-2)
    return x * cos.to(x.dtype) + swapped * sin.to(x.dtype)


class Past:
    """Every layer's keys and values of the columns so far, in room that doubles when it is full.

    Args:
        reach: columns before it that a column looks at; None for all.
    """

    def __init__(self, reach: int | None = None):
        self.columns, self.reach, self._rooms, self._turns = 0, reach, {}, ()

    @property
    def seen(self) -> int:
        """How many of the columns so far the next one looks at."""
        return self.columns if self.reach is None else min(self.columns, self.reach)

    def add(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keep those of new columns [B, heads, n, d]; returns them after the `seen` ones before. See `count`."""
        return tuple(self._kept((layer, i), new) for i, new in enumerate((keys, values)))

    def _kept(self, name: tuple[int, int], new: Tensor) -> Tensor:
        room, n = self._rooms.get(name), new.shape[2]
        if room is None or room.shape[2] < self.columns + n:
            more = new.new_empty(*new.shape[:2], max(64, 2 * (self.columns + n)), new.shape[3])
            if room is not None:
                more[:, :, : self.columns] = room[:, :, : self.columns]
            self._rooms[name] = room = more
        room.narrow(2, self.columns, n).copy_(new)
        return room.narrow(2, self.columns - self.seen, self.seen + n)

    def turns(self, n: int, d: int, device: torch.device) -> tuple[Tensor, ...]:
        """What `turns` gives for the next n columns."""
        if not self._turns or len(self._turns[0]) < self.columns + n:
            self._turns = turns(max(64, 2 * (self.columns + n)), d, device)
        return tuple(part.narrow(0, self.columns, n) for part in self._turns)

    def chosen(self, rows: Tensor) -> "Past":
        """These rows of the batch, in room of their own."""
        past = Past(self.reach)
        past.columns, past._turns = self.columns, self._turns
        past._rooms = {name: room[rows] for name, room in self._rooms.items()}
        return past

    def count(self, n: int) -> None:
        """After so many new columns were added to every layer."""
        self.columns += n


class Layer(nn.Module):
    """A pre-norm transformer layer with rotary positions."""

    def __init__(self, dim: int, heads: int, expansion: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.to_qkv, self.from_heads = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.widen, self.narrow = nn.Linear(dim, expansion * dim), nn.Linear(expansion * dim, dim)

    def forward(self, x: Tensor, allowed: Tensor | None, cos: Tensor, sin: Tensor, remember=None) -> Tensor:
        """x [B, T, dim] -> the same.

        Args:
            allowed: bool, broadcast to [B, heads, T, T_past + T]; None: all.
            cos, sin: of `turns`.
            remember: takes the columns' keys and values, and returns them with those of the past before them.
        """
        q, k, v = self._heads(self.to_qkv(self.norms[0](x)), 3)
        q, k = rotated(torch.stack([q, k]), cos, sin)
        if remember:
            k, v = remember(k, v)
        return self.attended(x, q, k, v, allowed)

    def queries(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x [B, T, dim] -> [B, heads, T, d]."""
        return rotated(self._heads(F.linear(self.norms[0](x), self.to_qkv.weight[: x.shape[-1]]), 1)[0], cos, sin)

    def keys_values(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, T, dim] -> [B, heads, T, d] each."""
        k, v = self._heads(F.linear(self.norms[0](x), self.to_qkv.weight[x.shape[-1] :]), 2)
        return rotated(k, cos, sin), v

    def attended(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None) -> Tensor:
        """The layer's output for columns x [B, n, dim] from their queries, and the keys and values of all that they may see."""
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        x = x + self.dropout(self.from_heads(y.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.narrow(F.gelu(self.widen(self.norms[1](x)))))

    def _heads(self, x: Tensor, n: int) -> Tensor:
        """[B, T, n * dim] -> [n, B, heads, T, d]."""
        return x.unflatten(-1, (n, self.heads, -1)).permute(2, 0, 3, 1, 4)


class Transformer(nn.Module):
    """Layers in a row. `past`, if there is one, holds the columns before these, and then these too."""

    def __init__(self, dim: int, layers: int, heads: int, expansion: int, dropout: float):
        super().__init__()
        self.layers = nn.ModuleList(Layer(dim, heads, expansion, dropout) for _ in range(layers))
        self.norm, self.head_dim = nn.LayerNorm(dim), dim // heads

    def forward(self, x: Tensor, allowed: Tensor | None = None, past: Past | None = None) -> Tensor:
        cos, sin = (past.turns if past else turns)(x.shape[1], self.head_dim, x.device)
        for i, layer in enumerate(self.layers):
            x = layer(x, allowed, cos, sin, partial(past.add, i) if past else None)
        if past:
            past.count(x.shape[1])
        return self.norm(x)


def distinct(x: Tensor) -> tuple[Tensor, Tensor]:
    """The rows of x [B, ...] that differ from the one before, [n], and for each row its place among them, [B]."""
    new = torch.cat([torch.ones(1, dtype=torch.bool, device=x.device), (x[1:] != x[:-1]).flatten(1).any(1)])
    return new.nonzero()[:, 0], new.cumsum(0) - 1


def causal(seen: int, new: int, reach: int | None, device: torch.device) -> Tensor | None:
    """bool [new, seen + new]: a column may look at itself and at columns before it, so many at the most; None: at all."""
    if new == 1 and (reach is None or seen <= reach):
        return None
    allowed = torch.ones(new, seen + new, dtype=torch.bool, device=device).tril(seen)
    return allowed if reach is None else allowed.triu(seen - reach)


def around(valid: Tensor, reach: int | None) -> Tensor:
    """bool [B, 1, T or 1, T]: what each column may look at: the clip [B, T], or so many columns of it on either side.

    A column of padding may look at itself, since the attention of one that may look at nothing is not a number.
    """
    clip = valid[:, None, None]
    if reach is None:
        return clip
    n = valid.shape[1]
    near = torch.ones(n, n, dtype=torch.bool, device=valid.device).tril(reach).triu(-reach)
    return (clip & near) | torch.eye(n, dtype=torch.bool, device=valid.device)


class RowPart(NamedTuple):
    """What one row's logits are made with: parts of `Rows`'s parameters, taken out once for many columns."""

    place: Tensor
    widen: Tensor
    turn: Tensor | None
    head: Tensor
    bias: Tensor
    outside: Tensor | None
    """bool [V]: beyond the row's vocabulary; None where nothing is."""


class Rows(nn.Module):
    """The distribution of each row of a column, given the column's context and its coarser rows.

    A residual quantiser adds its stages' vectors up, so what matters of the coarser rows is their sum; a perceptron reads it.
    """

    def __init__(self, spec: CodeSpec, dim: int, dropout: float, table_dim: int | None = None):
        super().__init__()
        self.vocabs, width = spec.vocab_of_row, max(spec.vocab_of_row)
        self.place = nn.Parameter(0.02 * torch.randn(spec.rows, dim))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.widen, self.narrow = nn.Linear(2 * dim, 2 * dim), nn.Linear(2 * dim, dim)
        self.dropout = nn.Dropout(dropout)
        inner = table_dim or dim
        self.turn = nn.Parameter(torch.randn(spec.rows, dim, table_dim) / math.sqrt(dim)) if table_dim else None
        self.heads = nn.Parameter(0.2 * torch.randn(spec.rows, inner, width) / math.sqrt(inner))
        self.bias = nn.Parameter(torch.zeros(spec.rows, width))
        outside = torch.arange(width)[None] >= torch.tensor(spec.vocab_of_row)[:, None]
        self.register_buffer("outside", outside, persistent=False)

    @torch.no_grad()
    def start_from(self, codewords: list[Tensor]) -> None:
        """Begin with logits that are inner products with the codewords, [V, D] of each row, turned at random."""
        turn = turned_at_random(self.heads.shape[1], codewords[0].shape[1])
        for head, words in zip(self.heads, standardised(codewords)):
            size = words.square().mean().sqrt() + 1e-9
            head[:, : len(words)] = 0.5 * turn @ (words / size).T / math.sqrt(words.shape[1])

    def near(self, rows: Tensor, valid: Tensor) -> list[Tensor]:
        """What a row is given of the columns beside its own: nothing but the context."""
        return []

    def seen(self, contexts: list[tuple[slice, Tensor]], beside: list[Tensor], labels: Tensor) -> Tensor:
        """What every row is given besides the coarser ones: the column's context [..., dim]."""
        return contexts[0][1]

    def read(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """What every row of a column needs of its context [..., dim], once for all of them."""
        return context, F.linear(context, self.widen.weight[:, context.shape[-1] :], self.widen.bias)

    def each(self) -> list[RowPart]:
        """The rows one by one, for `one`."""
        full, turns = [n == self.bias.shape[1] for n in self.vocabs], [None] * len(self.vocabs)
        parts = zip(
            self.place, [self.widen.weight[:, : self.place.shape[1]].contiguous()] * len(full),
            turns if self.turn is None else self.turn, self.heads.mT, self.bias,
            [None if all_there else outside for all_there, outside in zip(full, self.outside)],
        )
        return [RowPart(*part) for part in parts]

    def one(self, row: RowPart, context: tuple[Tensor, Tensor], coarser: Tensor) -> Tensor:
        """One of `each`, what `read` gave, the sum of the coarser rows' vectors [..., dim] -> the row's logits [..., V].

        They are -inf beyond the row's vocabulary.
        """
        logits = self._logits(row, self._inner(context, coarser, row.place, row.widen)).float()
        return logits if row.outside is None else logits.masked_fill(row.outside, -torch.inf)

    def losses(self, context: Tensor, coarser: Tensor, ids: Tensor, cells: Tensor) -> Tensor:
        """Of all rows at once: the negative log-probabilities [B, K, T] of the ids in these cells, in nats; 0 elsewhere.

        Args:
            coarser: what each row is given of the coarser ones, [B, T, K, dim].
            cells: bool [B, K, T].
        """
        parts = self.each()
        x = self._inner(self.read(context[:, :, None]), coarser, self.place, parts[0].widen)
        found = torch.zeros(ids.shape, device=ids.device)
        for row, vocab in enumerate(self.vocabs):  # one after the other: all logits at once would fill the memory
            here = cells[:, row]
            logits = self._logits(parts[row], x[:, :, row][here])[:, :vocab]
            found[:, row][here] = F.cross_entropy(logits.float(), ids[:, row][here], reduction="none")
        return found

    def _inner(self, context: tuple[Tensor, Tensor], coarser: Tensor, place: Tensor, widen: Tensor) -> Tensor:
        """The vectors [..., dim] that the logits are read from."""
        x = context[0] + coarser + place
        hidden = F.linear(self.norms[0](x), widen) + context[1]
        return self.norms[1](x + self.dropout(self.narrow(F.gelu(hidden))))

    def _logits(self, row: RowPart, x: Tensor) -> Tensor:
        """[..., dim] -> [..., V], beyond the row's vocabulary too."""
        return F.linear(x if row.turn is None else x @ row.turn, row.head, row.bias)


def weighted_mean(losses: Tensor, counted: Tensor, row_weight: Tensor | None) -> Tensor:
    """The mean of losses [B, K, T] over the cells that count (bool [B, K, T]), each weighing as its row [K] does."""
    weights = counted if row_weight is None else counted * row_weight[:, None]
    return (losses * weights).sum() / weights.sum()
