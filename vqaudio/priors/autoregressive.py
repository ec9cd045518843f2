"""The autoregressive prior: columns from left to right, the rows of a column from coarse to fine. Its likelihood is exact.

A causal transformer (or an LSTM) reads the columns so far; a perceptron gives each row of the next one from that context and the
column's coarser rows, as the small depth models of RQ-Transformer (Lee et al. 2022) and MusicGen's kin do. It fills a hole from
the left and does not see what follows it. The clip's length and labels are given to it, not modelled.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vqaudio.prior import Guidance, Prior, Sampling, draw, gumbel
from vqaudio.transformer import ColumnEmbedding, Conditions, NetworkConfig, Past, Rows, Transformer, causal, weighted_mean


@dataclass(frozen=True)
class AutoregressivePriorConfig(NetworkConfig):
    """The shape of an autoregressive prior."""

    module: str = "priors.autoregressive"
    temporal: str = "transformer"
    """What reads the columns: transformer or lstm."""


class CausalTransformer(nn.Module):
    """forward(x, state): x [B, T, dim] follows what the state holds; returns (y, state) with x in it. None: nothing is kept."""

    def __init__(self, c: AutoregressivePriorConfig):
        super().__init__()
        self.layers, self.reach = Transformer(c.dim, c.layers, c.heads, c.expansion, c.dropout), c.attention_columns

    def forward(self, x: Tensor, state=None):
        seen = state.seen if state else 0
        return self.layers(x, causal(seen, x.shape[1], self.reach, x.device), state), state

    def empty(self) -> Past:
        """The state before the first column."""
        return Past(self.reach)


class CausalLSTM(nn.Module):
    """The same interface; the state is the LSTM's own."""

    def __init__(self, c: AutoregressivePriorConfig):
        super().__init__()
        self.lstm = nn.LSTM(c.dim, c.dim, c.layers, batch_first=True, dropout=c.dropout if c.layers > 1 else 0.0)
        self.norm = nn.LayerNorm(c.dim)

    def forward(self, x: Tensor, state=None):
        y, state = self.lstm(x, state)
        return self.norm(x + y), state

    def empty(self) -> None:
        """The state before the first column."""


TEMPORAL = {"transformer": CausalTransformer, "lstm": CausalLSTM}


class AutoregressivePrior(Prior):
    """See the module. `steps` means nothing to it: there is one step a column."""

    summary = "An autoregressive prior: a causal model over code columns with a small model over the rows of a column."
    likelihood, sees_right = "exact", False
    use_cache = True

    def __init__(self, config: AutoregressivePriorConfig):
        super().__init__(config)
        c = config
        if c.temporal not in TEMPORAL:
            raise ValueError(f"temporal is {' or '.join(TEMPORAL)}, not {c.temporal!r}")
        self.embedding = ColumnEmbedding(self.spec, c.dim, c.table_dim)
        self.conditions = Conditions(tuple(map(len, self.labels.values())), c.dim)
        self.start = nn.Parameter(torch.zeros(c.dim))
        self.temporal = TEMPORAL[c.temporal](c)
        self.rows = Rows(self.spec, c.dim, c.dropout, c.table_dim)
        stage_of_row = [j for j, stage in enumerate(self.spec.stages) for _ in range(stage.rows)]
        self.register_buffer("row_weight", c.fine_weight ** torch.tensor(stage_of_row), persistent=False)
        self.register_buffer("untold", torch.tensor([len(v) for v in self.labels.values()], dtype=torch.long), persistent=False)

    def losses(self, ids: Tensor, valid: Tensor, labels: Tensor, cut: Tensor | None = None) -> Tensor:
        """-log p [B, K, T] of each cell given all columns before and the coarser rows of its own, in nats; 0 in padding."""
        embedded = self.embedding.rows(ids)
        columns = embedded.sum(2)
        before = torch.cat([self.start.expand(len(columns), 1, -1), columns[:, :-1]], dim=1)
        context, _ = self.temporal(before + self.conditions(labels, valid, cut))
        return self.rows.losses(context, embedded, ids, valid[:, None].expand(ids.shape))

    def start_from(self, codewords: list[Tensor]) -> None:
        self.embedding.start_from(codewords)
        self.rows.start_from(codewords)

    def loss(self, ids: Tensor, valid: Tensor, labels: Tensor, cut: Tensor | None = None) -> Tensor:
        dropped = torch.rand(labels.shape, device=labels.device) < self.config.label_dropout * self.training
        losses = self.losses(ids, valid, torch.where(dropped, self.untold, labels), cut)
        return weighted_mean(losses, valid[:, None].expand(ids.shape), self.row_weight if self.training else None)

    def _log_prob(self, ids, valid, labels):
        return -self.losses(ids, valid, labels)

    def _sample(self, ids, hole, valid, labels, sampling, generator, report):
        columns = hole.any(1).any(0).nonzero()[:, 0]
        first, last = int(columns[0]), int(columns[-1])
        ids, pending, guidance = ids.clone(), hole.clone(), Guidance(labels, self.untold, sampling.guidance)
        reader = _Reader(self, valid, guidance)
        column = _Column(self, guidance, sampling, generator)
        for t in range(first, last + 1):
            noise = column.noise(len(ids))
            if pending[..., t].any():
                ids[..., t] = column.draw(reader.context(ids, t), ids[..., t], hole[..., t], noise)
            pending[..., t] = False
            report(t - first + 1, last - first + 1, ids.masked_fill(pending, -1))
        return ids


class _Reader:
    """The temporal model's view of the columns drawn so far; with its cache each column is read once."""

    def __init__(self, prior: AutoregressivePrior, valid: Tensor, guidance: Guidance):
        self.prior, self.guidance, self.state, self.read = prior, guidance, None, 0
        self.conditions = prior.conditions(guidance.labels, guidance.repeated(valid))

    def context(self, ids: Tensor, t: int) -> Tensor:
        """What is known of column t from those before it, [times * B, dim]."""
        prior, n = self.prior, len(ids)
        if not prior.use_cache or self.read == 0:
            self.read, self.state = 0, prior.temporal.empty() if prior.use_cache else None
        before = prior.embedding(ids[..., max(0, self.read - 1) : t])
        if self.read == 0:
            before = torch.cat([prior.start.expand(n, 1, -1), before], dim=1)
        y, self.state = prior.temporal(self.guidance.repeated(before) + self.conditions[:, self.read : t + 1], self.state)
        self.read = t + 1
        return y[:, -1]


class _Column:
    """Draws a column, row by row; what all columns share is made ready once."""

    def __init__(self, prior: AutoregressivePrior, guidance: Guidance, sampling: Sampling, generator: torch.Generator):
        self.prior, self.guidance, self.sampling, self.generator = prior, guidance, sampling, generator
        self.rows, self.tables = prior.rows.each(), prior.embedding.tables()

    def noise(self, n: int) -> tuple[Tensor | None, ...]:
        """Gumbel noise [n, V] for every row of the next column; None where nothing is left to chance."""
        if self.sampling.temperature == 0:
            return (None,) * len(self.rows)
        return gumbel((len(self.rows), n, len(self.rows[0].bias)), self.generator, self.prior.start.device).unbind()

    def draw(self, context: Tensor, known: Tensor, hole: Tensor, noise: tuple[Tensor | None, ...]) -> Tensor:
        """The ids [B, K] of a column: those known, and in the hole (bool [B, K]) new ones."""
        read, coarser, drawn = self.prior.rows.read(context), 0.0, []
        open_rows, whole = hole.any(0).tolist(), bool(hole.all())
        for row, (part, table, is_open) in enumerate(zip(self.rows, self.tables, open_rows)):
            ids = known[:, row]
            if is_open:
                new = draw(self.guidance(self.prior.rows.one(part, read, coarser)), self.sampling, self.generator, noise[row])
                ids = new if whole else torch.where(hole[:, row], new, ids)
            coarser = coarser + self.guidance.repeated(self.prior.embedding.row(table, ids))
            drawn.append(ids)
        return torch.stack(drawn, 1)


MODEL, CONFIG = AutoregressivePrior, AutoregressivePriorConfig
