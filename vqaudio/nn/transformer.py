"""Layers over columns of codes [B, K, T]: embedding, attention, row outputs."""

import math
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio.codes import CodeSpec


def expand_ids(ids: Tensor, labels: Tensor) -> Tensor:
    """Expand one label id a kind, [kinds], to the shape of labels.

    Labels are [B, kinds] or [B, kinds, K, T].
    """
    return ids.view(-1, *[1] * (labels.ndim - 2)).expand_as(labels)


class ColumnEmbedding(nn.Module):
    """Embeds a column: the sum over its rows of a vector for the id, or for MASK."""

    nothing = 0.0  # the coarser rows' contribution to the coarsest row

    def __init__(self, spec: CodeSpec, dim: int, table_dim: int | None = None):
        super().__init__()
        starts = [0]
        for vocab in spec.vocab_of_row:
            starts.append(starts[-1] + vocab + 1)  # the last is MASK
        self.table = nn.Embedding(starts[-1], table_dim or dim)
        self.turn = nn.Linear(table_dim, dim, bias=False) if table_dim else nn.Identity()
        nn.init.normal_(self.table.weight, std=1 / math.sqrt(spec.rows))
        self.register_buffer("starts", torch.tensor(starts[:-1]), persistent=False)
        self.register_buffer("masks", torch.tensor(spec.vocab_of_row), persistent=False)

    @torch.no_grad()
    def start_from(self, codewords: list[Tensor]) -> None:
        """Start from the codec's codewords [V, D] of each row.

        Then ids that sound alike are close together.
        """
        projection = random_projection(codewords[0].shape[1], self.table.embedding_dim)
        for start, words in zip(self.starts.tolist(), standardised(codewords)):
            self.table.weight[start : start + len(words)] = words @ projection

    def rows(self, ids: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Ids [B, K, T], hidden bool [B, K, T] (embedded as MASK) -> [B, T, K, dim]."""
        if hidden is not None:
            ids = torch.where(hidden, self.masks[:, None], ids)
        return self.turn(self.table((ids + self.starts[:, None]).transpose(1, 2)))

    def tables(self) -> list[Tensor]:
        """Each row's part of the table, [V + 1, width], the argument of `row`."""
        return list(self.table.weight.split([n + 1 for n in self.masks.tolist()]))

    def row(self, table: Tensor, ids: Tensor) -> Tensor:
        """Embed the ids [...] of one row, with its part of `tables`: [..., dim]."""
        return self.turn(F.embedding(ids, table))

    def joined(self, rows: Tensor, level: slice = slice(None)) -> Tensor:
        """Sum a level's rows of [B, T, K, dim] to the column's vector [B, T, dim]."""
        return rows[:, :, level].sum(2)

    def coarser(self, rows: Tensor) -> Tensor:
        """The sum of each row's coarser rows: [B, T, K, dim] -> the same shape."""
        return rows.cumsum(2) - rows


def random_projection(before: int, after: int) -> Tensor:
    """A random projection [before, after]; the identity if both are equal.

    It roughly keeps distances.
    """
    return torch.eye(before) if before == after else torch.randn(before, after) / math.sqrt(before)


def standardised(codewords: list[Tensor]) -> list[Tensor]:
    """Centre and scale the codewords [V, D] of each row.

    Fine rows stay smaller, by the square root of their size.
    """
    centred = [words - words.mean(0) for words in codewords]
    sizes = [float(words.square().mean().sqrt()) + 1e-9 for words in centred]
    return [words / math.sqrt(size * max(sizes)) for words, size in zip(centred, sizes)]


class Conditions(nn.Module):
    """Embeds the conditions of every column: labels, and distances from the ends."""

    def __init__(self, n_values: tuple[int, ...], dim: int):
        super().__init__()
        self.labels = nn.ModuleList(nn.Embedding(n + 1, dim) for n in n_values)  # the last id: no label
        self.places = nn.Linear(4 * PERIODS, dim)
        for embedding in self.labels:
            nn.init.normal_(embedding.weight, std=0.5)

    def forward(self, labels: Tensor, valid: Tensor, cut: Tensor | None = None) -> Tensor:
        """Embed the conditions: [B, T, dim].

        A column whose cells have different labels gets their mean.

        Args:
            labels: [B, kinds], or [B, kinds, K, T] of each cell.
            valid: bool [B, T].
            cut: [B, 2] columns of the clip before and after these; None for whole clips.
        """
        after = valid.sum(-1, keepdim=True) - 1
        before = torch.arange(valid.shape[1], device=valid.device).expand(valid.shape)
        after = (after - before).clamp_min(0)
        if cut is not None:
            before, after = before + cut[:, :1], after + cut[:, 1:]
        places = self.places(torch.cat([sinusoidal(before.clamp_max(FAR)), sinusoidal(after.clamp_max(FAR))], dim=-1))
        return places + label_vectors(self.labels, labels)


def label_vectors(tables: nn.ModuleList, labels: Tensor, each_cell: bool = False) -> Tensor | float:
    """Embed labels: the sum over their kinds.

    Args:
        tables: an embedding for each kind.
        labels: [B, kinds], or [B, kinds, K, T] of each cell.
        each_cell: return a vector for each cell, [B, 1, 1, dim] or [B, T, K, dim]; else the mean of a column, [B, 1 or T, dim].
    """
    if labels.ndim == 2:
        vectors = sum(table(labels[:, i])[:, None] for i, table in enumerate(tables))
        return vectors[:, None] if each_cell and len(tables) else vectors
    if each_cell:
        return sum(table(labels[:, i].mT) for i, table in enumerate(tables))
    return sum(shares(labels[:, i], table.num_embeddings) @ table.weight for i, table in enumerate(tables))


def shares(labels: Tensor, n: int) -> Tensor:
    """The share of a column's cells with each label, [B, T, n].

    Labels are [B, K, T] in range(n).
    """
    ones = torch.full((), 1 / labels.shape[1], device=labels.device).expand(labels.mT.shape)
    return torch.zeros(labels.shape[0], labels.shape[2], n, device=labels.device).scatter_add_(2, labels.mT, ones)


def drop_labels(labels: Tensor, unconditional: Tensor, share: float) -> Tensor:
    """Drop the label of a random share of the clips, for each kind independently.

    Args:
        labels: [B, kinds] or [B, kinds, K, T].
        unconditional: [kinds], the ids of open labels.
        share: 0 to 1.
    """
    dropped = torch.rand(labels.shape[:2], device=labels.device) < share
    return torch.where(dropped.view(*dropped.shape, *[1] * (labels.ndim - 2)), expand_ids(unconditional, labels), labels)


PERIODS = 8
FAR = 150  # columns; larger distances from an end are clamped to it


def sinusoidal(position: Tensor) -> Tensor:
    """Sinusoidal embedding [..., 2 * PERIODS] of positions [...].

    Vaswani et al. 2017, section 3.5.
    """
    rates = torch.exp(-math.log(200.0) * torch.arange(PERIODS, device=position.device) / (PERIODS - 1))
    angle = position[..., None] * rates
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def rotary_angles(n: int, d: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines [n, d] for `rotated`; the sines are for the swapped halves."""
    rates = 10000.0 ** (-torch.arange(d // 2, device=device) / (d // 2))
    angle = torch.arange(n, device=device)[:, None] * rates
    cos, sin = angle.cos(), angle.sin()
    return torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding of [..., T, d] (Su et al. 2021, equation 34).

    cos and sin are from `rotary_angles`.
    """
    swapped = x.unflatten(-1, (2, -1)).flip(-2).flatten(-2)
    return x * cos.to(x.dtype) + swapped * sin.to(x.dtype)


class KVCache:
    """Every layer's keys and values of the columns so far.

    The memory doubles when it is full.

    Args:
        reach: columns before its own that a column attends to; None for all.
    """

    def __init__(self, reach: int | None = None):
        self.columns, self.reach, self._memory, self._angles = 0, reach, {}, ()

    @property
    def seen(self) -> int:
        """Number of columns so far that the next one attends to."""
        return self.columns if self.reach is None else min(self.columns, self.reach)

    def add(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append new columns [B, heads, n, d], and return them after the `seen` ones.

        Call `count` after all layers.
        """
        return tuple(self._kept((layer, i), new) for i, new in enumerate((keys, values)))

    def _kept(self, name: tuple[int, int], new: Tensor) -> Tensor:
        memory, n = self._memory.get(name), new.shape[2]
        if memory is None or memory.shape[2] < self.columns + n:
            larger = new.new_empty(*new.shape[:2], max(64, 2 * (self.columns + n)), new.shape[3])
            if memory is not None:
                larger[:, :, : self.columns] = memory[:, :, : self.columns]
            self._memory[name] = memory = larger
        memory.narrow(2, self.columns, n).copy_(new)
        return memory.narrow(2, self.columns - self.seen, self.seen + n)

    def rotary_angles(self, n: int, d: int, device: torch.device) -> tuple[Tensor, ...]:
        """The `rotary_angles` of the next n columns."""
        if not self._angles or len(self._angles[0]) < self.columns + n:
            self._angles = rotary_angles(max(64, 2 * (self.columns + n)), d, device)
        return tuple(part.narrow(0, self.columns, n) for part in self._angles)

    def chosen(self, rows: Tensor) -> "KVCache":
        """A copy of these rows of the batch."""
        cache = KVCache(self.reach)
        cache.columns, cache._angles = self.columns, self._angles
        cache._memory = {name: memory[rows] for name, memory in self._memory.items()}
        return cache

    def count(self, n: int) -> None:
        """Advance by n columns, once they were added to every layer."""
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
        """Transform x [B, T, dim] to the same shape.

        Args:
            x: [B, T, dim].
            allowed: bool, broadcast to [B, heads, T, T_past + T]; None for all.
            cos, sin: from `rotary_angles`.
            remember: takes the columns' keys and values and returns them after those in the cache.
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
        """The output for columns x [B, n, dim], from queries, keys and values."""
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        x = x + self.dropout(self.from_heads(y.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.narrow(F.gelu(self.widen(self.norms[1](x)))))

    def _heads(self, x: Tensor, n: int) -> Tensor:
        """[B, T, n * dim] -> [n, B, heads, T, d]."""
        return x.unflatten(-1, (n, self.heads, -1)).permute(2, 0, 3, 1, 4)


class Transformer(nn.Module):
    """A stack of layers.

    A `cache` holds the columns before these; these are added to it.
    """

    def __init__(self, dim: int, layers: int, heads: int, expansion: int, dropout: float):
        super().__init__()
        self.layers = nn.ModuleList(Layer(dim, heads, expansion, dropout) for _ in range(layers))
        self.norm, self.head_dim = nn.LayerNorm(dim), dim // heads

    def forward(self, x: Tensor, allowed: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        cos, sin = (cache.rotary_angles if cache else rotary_angles)(x.shape[1], self.head_dim, x.device)
        for i, layer in enumerate(self.layers):
            x = layer(x, allowed, cos, sin, partial(cache.add, i) if cache else None)
        if cache:
            cache.count(x.shape[1])
        return self.norm(x)


def distinct(x: Tensor) -> tuple[Tensor, Tensor]:
    """Indices [n] of the rows of x [B, ...] that differ from the row before.

    Also returns each row's index among them, [B].
    """
    new = torch.cat([torch.ones(1, dtype=torch.bool, device=x.device), (x[1:] != x[:-1]).flatten(1).any(1)])
    return new.nonzero()[:, 0], new.cumsum(0) - 1


def causal(seen: int, new: int, reach: int | None, device: torch.device) -> Tensor | None:
    """Causal attention mask, bool [new, seen + new].

    Each column sees itself and `reach` columns before it; None for all.
    """
    if new == 1 and (reach is None or seen <= reach):
        return None
    allowed = torch.ones(new, seen + new, dtype=torch.bool, device=device).tril(seen)
    return allowed if reach is None else allowed.triu(seen - reach)


def window_mask(valid: Tensor, reach: int | None) -> Tensor:
    """Attention mask over `reach` columns of the clip on either side.

    bool [B, 1, T or 1, T].

    Padding sees itself, because attention to nothing is NaN.

    Args:
        valid: bool [B, T].
        reach: columns; None for the whole clip.
    """
    clip = valid[:, None, None]
    if reach is None:
        return clip
    n = valid.shape[1]
    near = torch.ones(n, n, dtype=torch.bool, device=valid.device).tril(reach).triu(-reach)
    return (clip & near) | torch.eye(n, dtype=torch.bool, device=valid.device)


class RowPart(NamedTuple):
    """One row's slices of the parameters of `Rows`, taken once for many columns."""

    place: Tensor
    widen: Tensor
    turn: Tensor | None
    head: Tensor
    bias: Tensor
    outside: Tensor | None
    """bool [V], True beyond the row's vocabulary; None if the vocabulary has all V."""


class Rows(nn.Module):
    """The distribution of each row, given the context and its coarser rows.

    A residual quantiser sums its stages' vectors, so the sum of the coarser rows is the input of a perceptron.
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
        """Start from logits that are inner products with the projected codewords.

        The codewords are [V, D] of each row.
        """
        projection = random_projection(self.heads.shape[1], codewords[0].shape[1])
        for head, words in zip(self.heads, standardised(codewords)):
            size = words.square().mean().sqrt() + 1e-9
            head[:, : len(words)] = 0.5 * projection @ (words / size).T / math.sqrt(words.shape[1])

    def near(self, rows: Tensor, valid: Tensor) -> list[Tensor]:
        """The neighbouring columns' contribution: none beyond the context."""
        return []

    def seen(self, contexts: list[tuple[slice, Tensor]], beside: list[Tensor], labels: Tensor) -> Tensor:
        """The input of every row besides its coarser rows: the context [..., dim]."""
        return contexts[0][1]

    def read(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """The parts of a context [..., dim] that all rows share, computed once."""
        return context, F.linear(context, self.widen.weight[:, context.shape[-1] :], self.widen.bias)

    def each(self) -> list[RowPart]:
        """The rows' parameters, one by one, for `one`."""
        full, projections = [n == self.bias.shape[1] for n in self.vocabs], [None] * len(self.vocabs)
        parts = zip(
            self.place, [self.widen.weight[:, : self.place.shape[1]].contiguous()] * len(full),
            projections if self.turn is None else self.turn, self.heads.mT, self.bias,
            [None if all_there else outside for all_there, outside in zip(full, self.outside)],
        )
        return [RowPart(*part) for part in parts]

    def one(self, row: RowPart, context: tuple[Tensor, Tensor], coarser: Tensor) -> Tensor:
        """One row's logits [..., V], -inf beyond its vocabulary.

        Args:
            row: from `each`.
            context: from `read`.
            coarser: sum of the coarser rows' vectors [..., dim].
        """
        logits = self._logits(row, self._inner(context, coarser, row.place, row.widen)).float()
        return logits if row.outside is None else logits.masked_fill(row.outside, -torch.inf)

    def losses(self, context: Tensor, coarser: Tensor, ids: Tensor, cells: Tensor) -> Tensor:
        """Negative log-probabilities [B, K, T] of the ids in these cells, in nats.

        They are 0 in other cells.

        Args:
            context: [B, T, dim].
            coarser: the sum of each row's coarser rows, [B, T, K, dim].
            ids: [B, K, T].
            cells: bool [B, K, T].
        """
        parts = self.each()
        x = self._inner(self.read(context[:, :, None]), coarser, self.place, parts[0].widen)
        losses = torch.zeros(ids.shape, device=ids.device)
        for row, vocab in enumerate(self.vocabs):  # one at a time: all logits at once would fill the memory
            here = cells[:, row]
            logits = self._logits(parts[row], x[:, :, row][here])[:, :vocab]
            losses[:, row][here] = F.cross_entropy(logits.float(), ids[:, row][here], reduction="none")
        return losses

    def _inner(self, context: tuple[Tensor, Tensor], coarser: Tensor, place: Tensor, widen: Tensor) -> Tensor:
        """The vectors [..., dim] from which the logits are computed."""
        x = context[0] + coarser + place
        hidden = F.linear(self.norms[0](x), widen) + context[1]
        return self.norms[1](x + self.dropout(self.narrow(F.gelu(hidden))))

    def _logits(self, row: RowPart, x: Tensor) -> Tensor:
        """[..., dim] -> [..., V], including entries beyond the row's vocabulary."""
        return F.linear(x if row.turn is None else x @ row.turn, row.head, row.bias)


def weighted_mean(losses: Tensor, counted: Tensor, row_weight: Tensor | None) -> Tensor:
    """Mean of losses [B, K, T] over the counted cells, weighted by row.

    counted is bool [B, K, T], row_weight [K] or None.
    """
    weights = counted if row_weight is None else counted * row_weight[:, None]
    return (losses * weights).sum() / weights.sum()
