"""The autoregressive prior, with an exact likelihood.

It writes columns from left to right, and the rows of a column from coarse to fine.

If a codec has levels (maps with other bands or steps), the coarsest map is written first, from left to right, then each finer
one given all coarser ones, as in VQ-VAE-2 (Razavi et al. 2019).

A causal transformer (or an LSTM) reads the columns so far; a perceptron predicts each row of the next one from that context and
the column's coarser rows, like the depth model of RQ-Transformer (Lee et al. 2022). It fills a gap from the left without seeing
the audio after it, but ranks several fillings by the likelihood of that audio and keeps the best. Length and labels of a clip
are conditions; they are not modelled.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio import ranges
from vqaudio.nn.cells import embedding_for, levels_of, rows_for
from vqaudio.nn.transformer import (
    Conditions,
    KVCache,
    Transformer,
    causal,
    distinct,
    drop_labels,
    weighted_mean,
)
from vqaudio.prior import BestOf, Gap, Guidance, NetworkConfig, Prior, Sampling, draw, span_of


@dataclass(frozen=True)
class AutoregressivePriorConfig(NetworkConfig):
    """The shape of an autoregressive prior."""

    module: ranges.Name = "priors.autoregressive"
    temporal: Literal["transformer", "lstm"] = "transformer"
    """The model over columns: transformer or lstm."""
    hole_candidates: ranges.Candidates = field(default=8, metadata={"later": True})
    """Number of fillings of a gap to rank by the likelihood of the known cells after it; the best is kept. This is sampling
    importance resampling (Rubin 1988) with one dominant weight; it takes the right edge into account."""


class CausalTransformer(nn.Module):
    """A causal transformer over columns.

    forward(x, state): x [B, T, dim] follows the columns in the state; returns (y, state) with x added. A state of None keeps
    nothing.
    """

    def __init__(self, c: AutoregressivePriorConfig):
        super().__init__()
        self.layers, self.reach = Transformer(c.dim, c.layers, c.heads, c.expansion, c.dropout), c.attention_columns

    def forward(self, x: Tensor, state=None):
        seen = state.seen if state else 0
        return self.layers(x, causal(seen, x.shape[1], self.reach, x.device), state), state

    def empty(self) -> KVCache:
        """The state before the first column."""
        return KVCache(self.reach)

    def chosen(self, state: KVCache, rows: Tensor) -> KVCache:
        """The state for these rows of the batch."""
        return state.chosen(rows)


class CausalLSTM(nn.Module):
    """An LSTM over columns with the interface of `CausalTransformer`.

    The state is the LSTM's own.
    """

    def __init__(self, c: AutoregressivePriorConfig):
        super().__init__()
        self.lstm = nn.LSTM(c.dim, c.dim, c.layers, batch_first=True, dropout=c.dropout if c.layers > 1 else 0.0)
        self.norm = nn.LayerNorm(c.dim)

    def forward(self, x: Tensor, state=None):
        y, state = self.lstm(x, state)
        return self.norm(x + y), state

    def empty(self) -> None:
        """The state before the first column."""

    def chosen(self, state: tuple[Tensor, Tensor], rows: Tensor) -> tuple[Tensor, ...]:
        """The state for these rows of the batch."""
        return tuple(part[:, rows] for part in state)


LOOK = 4  # columns of the coarser levels that a level sees on either side


class FinerLevel(nn.Module):
    """A finer level: its model over columns, and its view of the coarser levels.

    forward(columns) is that view.
    """

    def __init__(self, c: AutoregressivePriorConfig):
        super().__init__()
        self.temporal = TEMPORAL[c.temporal](c)
        self.around = nn.Conv1d(c.dim, c.dim, 2 * LOOK + 1, padding=LOOK)

    def forward(self, columns: Tensor) -> Tensor:
        return self.around(columns.mT).mT


TEMPORAL = {"transformer": CausalTransformer, "lstm": CausalLSTM}


class AutoregressivePrior(Prior):
    """The autoregressive prior; see the module.

    It ignores `steps`: there is one step a column.
    """

    summary = "An autoregressive prior: a causal model over code columns with a small model over the rows of a column."
    likelihood, sees_right = "exact", False
    use_cache = True

    def __init__(self, config: AutoregressivePriorConfig):
        super().__init__(config)
        c = config
        n_values = tuple(map(len, self.labels.values()))
        self.embedding = embedding_for(c, self.spec)
        self.conditions = Conditions(n_values, c.dim)
        self.start = nn.Parameter(torch.zeros(c.dim))
        self.temporal = TEMPORAL[c.temporal](c)
        self.rows = rows_for(c, self.spec, n_values, (-1,))
        self.levels = [slice(0, self.spec.rows)] if c.cell_dim is None else levels_of(self.spec)
        self.finer = nn.ModuleList(FinerLevel(c) for _ in self.levels[1:])
        self.register_buffer("row_weight", c.fine_weight ** torch.tensor(self.spec.stage_of_row), persistent=False)
        self.register_buffer("unconditional", torch.tensor(n_values, dtype=torch.long), persistent=False)

    def losses(
        self, ids: Tensor, valid: Tensor, labels: Tensor, cut: Tensor | None = None, cells: Tensor | None = None
    ) -> Tensor:
        """-log p [B, K, T] of each cell given those before it, in nats; 0 in padding.

        Args:
            ids, valid, labels, cut: as for `Prior.loss`.
            cells: bool [B, K, T]; the loss is 0 elsewhere. None for all.
        """
        embedded, start = self.embedding.rows(ids), 0 if cells is None else span_of(cells).start
        conditions, contexts = self.conditions(labels, valid, cut), []
        for n, level in enumerate(self.levels):
            columns = self.embedding.joined(embedded, level)
            before = torch.cat([self.start.expand(len(columns), 1, -1), columns[:, :-1]], dim=1)
            contexts.append((level, read_on(self.temporal_of(n), before + self.given(n, embedded, valid, conditions), start)))
        beside = [part[:, start:] for part in self.rows.near(embedded, valid)]
        seen = self.rows.seen(contexts, beside, labels if labels.ndim == 2 else labels[..., start:])
        cells = valid[:, None].expand(ids.shape) if cells is None else cells
        parts = seen, self.embedding.coarser(embedded[:, start:]), ids[..., start:], cells[..., start:]
        return F.pad(self.rows.losses(*parts), (start, 0))

    def temporal_of(self, level: int) -> nn.Module:
        """The model over the columns of a level."""
        return self.finer[level - 1].temporal if level else self.temporal

    def given(self, level: int, embedded: Tensor, valid: Tensor, conditions: Tensor) -> Tensor:
        """The conditions of a level's columns, [B, T, dim].

        Labels and position, and the coarser levels.
        """
        if not level:
            return conditions
        coarser = self.embedding.joined(embedded, slice(0, self.levels[level].start))
        return conditions + self.finer[level - 1](coarser * valid[..., None])

    def start_from(self, codewords: list[Tensor]) -> None:
        self.embedding.start_from(codewords)
        self.rows.start_from(codewords)

    def loss(self, ids: Tensor, valid: Tensor, labels: Tensor, cut: Tensor | None = None) -> Tensor:
        losses = self.losses(ids, valid, drop_labels(labels, self.unconditional, self.config.label_dropout * self.training), cut)
        return weighted_mean(losses, valid[:, None].expand(ids.shape), self.row_weight if self.training else None)

    def _log_prob(self, ids, valid, labels):
        return -self.losses(ids, valid, labels)

    def reach(self, mask, valid):
        reach = self.config.attention_columns
        if reach is None:
            return None
        return (2 * reach, reach // 2) if self._judging(mask, valid).any() else (self.config.layers * reach, 0)

    def _judging(self, hole: Tensor, valid: Tensor) -> Tensor:
        """bool [B, K, T]: the known cells whose likelihood ranks the fillings of a gap."""
        reached = span_of(hole).start - (LOOK if len(self.levels) > 1 else 0)  # earlier cells do not depend on the gap
        return valid[:, None] & ~hole & (torch.arange(hole.shape[2], device=hole.device) >= reached)

    def _sample(self, gap, sampling, noise, report):
        known, n = self._judging(gap.hole, gap.valid), self.config.hole_candidates
        if n == 1 or not known.any():
            return self._written(gap, sampling, noise, report)
        several, report = gap.repeated(n), BestOf(n, report)
        candidates = self._written(several, sampling, noise.repeated(n), report)
        losses = self.losses(candidates, several.valid, several.labels, several.cut, known.repeat_interleave(n, 0))
        return report.chosen(candidates, -losses.sum((1, 2)))

    def _written(self, gap, sampling, noise, report):
        """As `_sample`: one filling of the gap, column by column."""
        ids, pending, guidance = gap.ids.clone(), gap.hole.clone(), Guidance(gap.labels, self.unconditional, sampling.guidance)
        column, done = _Column(self, guidance, sampling), 0
        spans = [[self._span(part[:, level]) for part in noise.split(gap.hole)] for level in self.levels]
        together = [self._span(gap.hole[:, level]) for level in self.levels]
        total = sum(map(len, together))
        for n, (level, own) in enumerate(zip(self.levels, spans)):
            reader = _Reader(self, n, gap, ids, guidance)
            for t in together[n]:
                drawn = noise.for_column(self.spec.rows, column.vocab, [t in s for s in own]) if sampling.temperature else None
                if pending[:, level, t].any():
                    ids[..., t] = column.draw(reader.context(ids, t), ids[..., t], pending[..., t], drawn, level)
                pending[:, level, t] = False
                done += 1
                report(done, total, ids.masked_fill(pending, -1))
        return ids

    @staticmethod
    def _span(hole: Tensor) -> range:
        """The columns of a gap, bool [B, rows, T]."""
        return range(*span_of(hole).indices(hole.shape[2])) if hole.any() else range(0)


def read_on(temporal: nn.Module, x: Tensor, start: int) -> Tensor:
    """The outputs of a temporal model for columns x [B, T, dim] from `start` on.

    Shared prefixes are read once.
    """
    state = temporal.empty() if start else None
    if start:
        state = read_beginning(temporal, x[:, :start], state)[1]
    return temporal(x[:, start:], state)[0]


def read_beginning(temporal: nn.Module, x: Tensor, state):
    """As temporal(x, state), reading equal consecutive rows of x [B, T, dim] once.

    Candidates of one clip are equal at first.
    """
    unlike, rows = distinct(x)
    if len(unlike) == len(x):
        return temporal(x, state)
    y, state = temporal(x[unlike], state)
    return y[rows], temporal.chosen(state, rows)


class _Reader:
    """The temporal model's view of a level's columns so far; with its cache each column is read once."""

    def __init__(self, prior: AutoregressivePrior, n: int, gap: Gap, ids: Tensor, guidance: Guidance):
        self.prior, self.level, self.guidance, self.state, self.read = prior, prior.levels[n], guidance, None, 0
        valid, cut = map(guidance.repeated, (gap.valid, gap.cut))
        self.temporal, conditions = prior.temporal_of(n), prior.conditions(guidance.labels, valid, cut)
        self.given = prior.given(n, guidance.repeated(prior.embedding.rows(ids)) if n else None, valid, conditions)

    def context(self, ids: Tensor, t: int) -> Tensor:
        """The context of column t from columns before it and coarser levels.

        [times * B, ...].
        """
        prior, n = self.prior, len(ids)
        if not prior.use_cache:
            self.read, self.state = 0, None
        rows = prior.embedding.rows(ids[..., max(0, self.read - 1) : t])
        before = prior.embedding.joined(rows, self.level)
        if self.read == 0:
            before = torch.cat([prior.start.expand(n, 1, -1), before], dim=1)
        x = self.guidance.repeated(before) + self.given[:, self.read : t + 1]
        if not prior.use_cache:
            y, _ = self.temporal(x)
        elif self.read:
            y, self.state = self.temporal(x, self.state)
        else:
            y, self.state = read_beginning(self.temporal, x, self.temporal.empty())
        self.read = t + 1
        last = self.guidance.repeated(rows[:, -1:]) if t else rows.new_zeros(len(y), 1, *rows.shape[2:])
        labels = self.guidance.labels
        labels = labels if labels.ndim == 2 else labels[..., t : t + 1]
        return prior.rows.seen([(self.level, y[:, -1:])], [last], labels)[:, 0]


class _Column:
    """Draws a column, row by row; the parameters are prepared once for all columns."""

    def __init__(self, prior: AutoregressivePrior, guidance: Guidance, sampling: Sampling):
        self.prior, self.guidance, self.sampling, self.vocab = prior, guidance, sampling, max(prior.spec.vocab_of_row)
        self.rows, self.tables = prior.rows.each(), prior.embedding.tables()

    def draw(self, context: Tensor, known: Tensor, hole: Tensor, noise: Tensor | None, level: slice) -> Tensor:
        """The ids [B, K] of a column, with new ones in the level's part of the gap.

        hole is bool [B, K].

        Args:
            noise: [K, B, V]; None at temperature 0.
        """
        read, coarser, drawn = self.prior.rows.read(context), self.prior.embedding.nothing, []
        open_rows, whole = hole.any(0).tolist(), bool(hole.all())
        open_rows = [is_open and level.start <= row < level.stop for row, is_open in enumerate(open_rows)]
        for row, (part, table, is_open) in enumerate(zip(self.rows, self.tables, open_rows)):
            ids = known[:, row]
            if is_open:
                logits = self.guidance(self.prior.rows.one(part, read, coarser))
                own = None if noise is None else noise[row][:, : logits.shape[-1]]
                new = draw(logits, self.sampling, noise=own)
                ids = new if whole else torch.where(hole[:, row], new, ids)
            coarser = coarser + self.guidance.repeated(self.prior.embedding.row(table, ids))
            drawn.append(ids)
        return torch.stack(drawn, 1)


MODEL, CONFIG = AutoregressivePrior, AutoregressivePriorConfig
