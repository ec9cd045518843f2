"""Layers over columns of codes [B, K, T] that several priors share: embedding, positions, attention, the rows of a column."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio.codes import CodeSpec
from vqaudio.prior import PriorConfig


@dataclass(frozen=True)
class NetworkConfig(PriorConfig):
    """The shape of a prior that is made of these layers."""

    guidance: float = 1.5
    dim: int = 256
    layers: int = 4
    heads: int = 4
    expansion: int = 3
    """Width of a layer's perceptron, in dims."""
    dropout: float = 0.1
    label_dropout: float = 0.15
    """Share of training clips that are not told a kind of label, each kind by itself."""
    fine_weight: float = 0.7
    """In training a cell counts this much of one in the next coarser stage: fine stages are close to noise."""
    table_dim: int | None = None
    """Width of the tables of ids, between which and dim a matrix turns; None for dim. With large codebooks the tables are most
    of the model, and the codewords' own dimension is enough for them."""
    attention_s: float | None = None
    """Seconds on either side that a layer's attention sees; None for all. What is trained on crops needs it for longer clips."""

    @property
    def attention_columns(self) -> int | None:
        """Columns on either side that a layer's attention sees."""
        return None if self.attention_s is None else max(1, round(self.attention_s * self.frame_rate))


class ColumnEmbedding(nn.Module):
    """A column's vector: the sum over its rows of a vector for each row's id, or for MASK.

    `row_sums` gives the running sums that the rows of a column see: only coarser rows.
    """

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

    def row(self, number: int, ids: Tensor) -> Tensor:
        """Ids [...] of one row -> [..., dim]."""
        return self.turn(self.table(ids + self.starts[number]))

    def forward(self, ids: Tensor, hidden: Tensor | None = None) -> Tensor:
        """-> [B, T, dim]."""
        return self.rows(ids, hidden).sum(2)


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
        """Labels [B, kinds], valid [B, T], cut [B, 2] columns of the clip before and behind these -> [B, T, dim]."""
        after = valid.sum(-1, keepdim=True) - 1
        before = torch.arange(valid.shape[1], device=valid.device).expand(valid.shape)
        after = (after - before).clamp_min(0)
        if cut is not None:
            before, after = before + cut[:, :1], after + cut[:, 1:]
        places = self.places(torch.cat([waves(before.clamp_max(FAR)), waves(after.clamp_max(FAR))], dim=-1))
        return places + sum(embedding(labels[:, i])[:, None] for i, embedding in enumerate(self.labels))


PERIODS = 8
FAR = 150  # columns; what is farther from an end is told no more than that


def waves(position: Tensor) -> Tensor:
    """Positions [...] -> sines and cosines [..., 2 * PERIODS] (Vaswani et al. 2017, section 3.5), for any length."""
    rates = torch.exp(-math.log(200.0) * torch.arange(PERIODS, device=position.device) / (PERIODS - 1))
    angle = position[..., None] * rates
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def rotated(x: Tensor, first: int) -> Tensor:
    """Rotary position embedding (Su et al. 2021, equation 34) of [B, heads, T, d], whose first column is number `first`."""
    half = x.shape[-1] // 2
    rates = 10000.0 ** (-torch.arange(half, device=x.device) / half)
    angle = (first + torch.arange(x.shape[2], device=x.device))[:, None] * rates
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class Layer(nn.Module):
    """A pre-norm transformer layer with rotary positions."""

    def __init__(self, dim: int, heads: int, expansion: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.to_qkv, self.from_heads = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.widen, self.narrow = nn.Linear(dim, expansion * dim), nn.Linear(expansion * dim, dim)

    def forward(self, x: Tensor, allowed: Tensor | None, past: tuple[Tensor, Tensor] | None):
        """x [B, T, dim]; allowed: bool, broadcast to [B, heads, T, T_past + T]; -> (x, (keys, values) with the past's)."""
        batch, n, dim = x.shape
        parts = self.to_qkv(self.norms[0](x)).view(batch, n, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        first = past[0].shape[2] if past else 0
        q, k, v = rotated(parts[0], first), rotated(parts[1], first), parts[2]
        if past:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        x = x + self.dropout(self.from_heads(y.transpose(1, 2).reshape(batch, n, dim)))
        return x + self.dropout(self.narrow(F.gelu(self.widen(self.norms[1](x))))), (k, v)


class Transformer(nn.Module):
    """Layers in a row. Causal use: `past` holds every layer's keys and values so far, None or [] at the start."""

    def __init__(self, dim: int, layers: int, heads: int, expansion: int, dropout: float):
        super().__init__()
        self.layers = nn.ModuleList(Layer(dim, heads, expansion, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, allowed: Tensor | None = None, past: list | None = None) -> tuple[Tensor, list]:
        present = []
        for i, layer in enumerate(self.layers):
            x, kept = layer(x, allowed, past[i] if past else None)
            present.append(kept)
        return self.norm(x), present


def causal(n: int, reach: int | None, device: torch.device) -> Tensor:
    """bool [n, n]: column i may look at columns up to i, `reach` of them behind it at the most."""
    allowed = torch.ones(n, n, dtype=torch.bool, device=device).tril()
    return allowed if reach is None else allowed.triu(-reach)


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

    def one(self, row: int, context: Tensor, coarser: Tensor) -> Tensor:
        """Context [B, T, dim] and the sum of the coarser rows' vectors [B, T, dim] -> logits of one row [B, T, V].

        They are -inf beyond the row's vocabulary.
        """
        x = self._inner(context[:, :, None], coarser[:, :, None], slice(row, row + 1))[:, :, 0]
        return (x @ self.heads[row] + self.bias[row]).float().masked_fill(self.outside[row], -torch.inf)

    def losses(self, context: Tensor, embedded: Tensor, ids: Tensor, cells: Tensor) -> Tensor:
        """Of all rows at once: the negative log-probabilities [B, K, T] of the ids in these cells, in nats; 0 elsewhere.

        Args:
            embedded: the rows' own vectors [B, T, K, dim].
            cells: bool [B, K, T].
        """
        x = self._inner(context[:, :, None], embedded.cumsum(2) - embedded, slice(None))
        found = torch.zeros(ids.shape, device=ids.device)
        for row, vocab in enumerate(self.vocabs):  # one after the other: all logits at once would fill the memory
            here = cells[:, row]
            logits = x[:, :, row][here] @ self.heads[row, :, :vocab] + self.bias[row, :vocab]
            found[:, row][here] = F.cross_entropy(logits.float(), ids[:, row][here], reduction="none")
        return found

    def _inner(self, context: Tensor, coarser: Tensor, rows: slice) -> Tensor:
        """What the tables of logits read: [B, T, K, table_dim]."""
        x = context + coarser + self.place[rows]
        inside = torch.cat([self.norms[0](x), context.expand_as(x)], dim=-1)
        x = self.norms[1](x + self.dropout(self.narrow(F.gelu(self.widen(inside)))))
        return x if self.turn is None else torch.einsum("btkd,kde->btke", x, self.turn[rows])


def weighted_mean(losses: Tensor, counted: Tensor, row_weight: Tensor | None) -> Tensor:
    """The mean of losses [B, K, T] over the cells that count (bool [B, K, T]), each weighing as its row [K] does."""
    weights = counted if row_weight is None else counted * row_weight[:, None]
    return (losses * weights).sum() / weights.sum()
