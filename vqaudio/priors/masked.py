"""The masked prior: a bidirectional transformer, sampled by iterative unmasking.

It is trained to predict masked cells.

As in MaskGIT (Chang et al. 2022) and, for residual codes, VampNet (Garcia et al. 2023), stages are drawn coarse first, and
within a stage the most confident cells first. Unlike there, a small perceptron also gives each cell the coarser rows of its
column, so that one pass of the transformer trains, and can draw, every row of a column.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vqaudio import ranges
from vqaudio.nn.cells import embedding_for, rows_for
from vqaudio.nn.incremental import IncrementalTransformer
from vqaudio.nn.noise import Noise
from vqaudio.nn.random_masks import band_heights, random_area
from vqaudio.nn.transformer import Conditions, Transformer, drop_labels, weighted_mean, window_mask
from vqaudio.prior import Gap, Guidance, NetworkConfig, Prior, Sampling, draw


@dataclass(frozen=True)
class MaskedPriorConfig(NetworkConfig):
    """The shape of a masked prior."""

    module: ranges.Name = "priors.masked"
    temperature: ranges.Temperature = 1.05
    hole_temperature: ranges.Temperature = 0.4
    steps: ranges.Passes = 16
    """Passes of the transformer."""
    guidance: ranges.GuidanceWeight = 1.1
    choice_noise: ranges.Weight = 10.0
    """Scale of the Gumbel noise on the confidence by which cells are kept; falls to 0 over a stage's steps. With little noise,
    clips are closer to the training clips."""


class MaskedPrior(Prior):
    """The masked prior; see the module. Steps are passes of the transformer."""

    summary = "A masked prior: a bidirectional transformer over code columns, sampled by iterative unmasking."
    likelihood, sees_right = "pseudo", True
    spread, apart = 8, 4  # columns and bands between the cells that `log_prob` masks at the same time

    def __init__(self, config: MaskedPriorConfig):
        super().__init__(config)
        c = config
        n_values = tuple(map(len, self.labels.values()))
        self.embedding = embedding_for(c, self.spec)
        self.conditions = Conditions(n_values, c.dim)
        self.transformer = Transformer(c.dim, c.layers, c.heads, c.expansion, c.dropout)
        self.rows = rows_for(c, self.spec, n_values, (-1, 1))
        self.register_buffer("stage_of_row", torch.tensor(self.spec.stage_of_row), persistent=False)
        self.register_buffer("band_of_row", band_heights(self.spec), persistent=False)
        self.register_buffer("row_weight", c.fine_weight**self.stage_of_row, persistent=False)
        self.register_buffer("unconditional", torch.tensor(n_values, dtype=torch.long), persistent=False)

    def context(self, ids: Tensor, hidden: Tensor, valid: Tensor, labels: Tensor, cut: Tensor | None = None) -> Tensor:
        """The input of the rows, with the hidden cells masked.

        ids, hidden [B, K, T], valid [B, T].
        """
        shown = self.embedding.rows(ids, hidden)
        x = self.embedding.joined(shown) + self.conditions(labels, valid, cut)
        y = self.transformer(x, window_mask(valid, self.config.attention_columns))
        return self.rows.seen([(slice(None), y)], self.rows.near(shown, valid), labels)

    def start_from(self, codewords: list[Tensor]) -> None:
        self.embedding.start_from(codewords)
        self.rows.start_from(codewords)

    def loss(self, ids: Tensor, valid: Tensor, labels: Tensor, cut: Tensor | None = None) -> Tensor:
        labels = drop_labels(labels, self.unconditional, self.config.label_dropout * self.training)
        hidden = self._random_mask(valid)
        coarser = self.embedding.coarser(self.embedding.rows(ids))
        losses = self.rows.losses(self.context(ids, hidden, valid, labels, cut), coarser, ids, hidden)
        return weighted_mean(losses, hidden, self.row_weight if self.training else None)

    def _random_mask(self, valid: Tensor) -> Tensor:
        """A random training mask, bool [B, K, T]: in some columns, part of one stage and all finer stages.

        The columns are the whole clip, a span, or scattered. The masked share follows a cosine (Chang et al. 2022, section 3.3).
        One clip in eight has scattered cells. If there are bands, one clip in four is masked in some of them only.
        """
        (batch, columns), rows, device = valid.shape, self.spec.rows, valid.device
        chance = lambda *shape: torch.rand(*shape, device=device)  # noqa: E731
        share = torch.cos(0.5 * math.pi * chance(batch, 1, 1))
        area = random_area(valid, self.band_of_row)
        current = (chance(batch, 1, 1) ** 1.5 * len(self.spec.stages)).long()  # coarse stages more often
        stage = self.stage_of_row[:, None]
        partly = chance(batch, rows, columns) < share
        mask = area & ((stage > current) | ((stage == current) & partly))
        mask = torch.where(chance(batch, 1, 1) < 0.125, partly, mask) & valid[:, None]
        empty = ~mask.flatten(1).any(1)
        return mask | (empty[:, None, None] & valid[:, None])

    def reach(self, mask, valid):
        reach = self.config.attention_columns
        return None if reach is None else (self.config.layers * reach, self.config.layers * reach)

    def _sample(self, gap, sampling, noise, report):
        span, guidance = gap.span, Guidance(gap.labels, self.unconditional, sampling.guidance)
        writer = _Writer(self, gap, guidance, sampling, noise)
        ids, hidden = gap.ids.clone(), gap.hole.clone()
        here, unwritten = ids[..., span], hidden[..., span]  # views: writing to them writes to the window
        stages = [j for j in range(len(self.spec.stages)) if gap.hole[:, self.stage_of_row == j].any()]
        plan = self._plan(stages, sampling.steps)
        total, done = sum(n for _, n in plan), 0
        for rows, n in plan:
            pending = gap.hole[..., span] & rows[:, None]
            for i in range(n):
                drawn, sure = writer.draw(ids, hidden, rows)
                here.copy_(torch.where(unwritten & rows[:, None], drawn, here))
                if sampling.temperature:
                    sure = sure + self.config.choice_noise * (1 - (i + 1) / n) * noise.for_cells(span, self.spec.rows)
                unwritten.copy_((unwritten & ~rows[:, None]) | self._least_sure(sure, unwritten, pending, (i + 1) / n))
                done += 1
                report(done, total, ids.masked_fill(hidden, -1))
        return ids

    def _plan(self, stages: list[int], steps: int) -> list[tuple[Tensor, int]]:
        """(rows to draw, passes) in order, with half the passes of the next coarser stage; few steps share stages."""
        groups = min(steps, len(stages))
        weights = [2.0**-g for g in range(groups)]
        passes = [1 + math.floor((steps - groups) * weight / sum(weights)) for weight in weights]
        passes[0] += steps - sum(passes)
        plan = []
        for g, n in enumerate(passes):
            members = [stage for i, stage in enumerate(stages) if i * groups // len(stages) == g]
            plan.append((torch.isin(self.stage_of_row, torch.tensor(members, device=self.stage_of_row.device)), n))
        return plan

    @staticmethod
    def _least_sure(sure: Tensor, hidden: Tensor, pending: Tensor, done: float) -> Tensor:
        """The pending cells that stay hidden: the least confident ones, a share that falls along a cosine."""
        stay = (pending.flatten(1).sum(1) * math.cos(0.5 * math.pi * done) + 1e-4).floor()
        candidates = sure.masked_fill(~(pending & hidden), torch.inf).flatten(1)
        rank = candidates.argsort(1).argsort(1)
        return (rank < stay[:, None]).view(sure.shape) & pending & hidden

    def _log_prob(self, ids, valid, labels):
        """Each cell given all others, except those a multiple of `spread` columns and of `apart` bands away."""
        log_probs, phase = torch.zeros(ids.shape, device=ids.device), torch.arange(ids.shape[2], device=ids.device) % self.spread
        coarser = self.embedding.coarser(self.embedding.rows(ids))
        for rows in self._apart():
            for turn in range(min(self.spread, ids.shape[2])):
                hidden = (phase == turn) & rows[:, None].expand(ids.shape)
                log_probs -= self.rows.losses(self.context(ids, hidden, valid, labels), coarser, ids, hidden)
        return log_probs

    def _apart(self) -> list[Tensor]:
        """The rows in groups, bool [K] each, of one stage and step and a multiple of `apart` bands apart."""
        groups = {}
        for j, stage in enumerate(self.spec.stages):
            for n in range(stage.rows):
                band, step = divmod(n, stage.steps)
                groups.setdefault((j, band % self.apart, step), []).append(self.spec.offsets[j] + n)
        every = torch.arange(self.spec.rows, device=self.device)
        return [torch.isin(every, torch.tensor(rows, device=self.device)) for rows in groups.values()]


class _Writer:
    """Draws the hidden cells of a gap; everything that its passes share is computed once."""

    def __init__(self, prior: MaskedPrior, gap: Gap, guidance: Guidance, sampling: Sampling, noise: Noise):
        self.prior, self.guidance, self.sampling, self.noise, self.span = prior, guidance, sampling, noise, gap.span
        self.valid = guidance.repeated(gap.valid)
        self.conditions = prior.conditions(guidance.labels, self.valid, guidance.repeated(gap.cut))
        labels = guidance.labels
        self.labels = labels if labels.ndim == 2 else labels[..., self.span]
        self.transformer = IncrementalTransformer(prior.transformer, self.valid, prior.config.attention_columns, self.span)
        self.rows, self.tables = prior.rows.each(), prior.embedding.tables()

    def draw(self, ids: Tensor, hidden: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """One pass: new ids for the hidden cells of these rows.

        Also returns their log-probabilities; both are [B, K, span].
        """
        prior, read = self.prior, self.prior.rows.read(self._context(ids, hidden))
        new, hidden, coarser = ids[..., self.span].clone(), hidden[..., self.span], prior.embedding.nothing
        sure, last = torch.zeros(new.shape, device=new.device), int(rows.nonzero()[-1])
        for row, (part, table, is_drawn) in enumerate(zip(self.rows, self.tables, rows.tolist())):
            if is_drawn:
                logits = self.guidance(prior.rows.one(part, read, coarser))
                noise = self.noise.for_ids(self.span, logits.shape[-1]) if self.sampling.temperature else None
                new[:, row] = torch.where(hidden[:, row], draw(logits, self.sampling, noise=noise), new[:, row])
                sure[:, row] = logits.log_softmax(-1).gather(-1, new[:, row, :, None])[..., 0]
            if row == last:
                return new, sure
            coarser = coarser + self.guidance.repeated(prior.embedding.row(table, new[:, row]))

    def _context(self, ids: Tensor, hidden: Tensor) -> Tensor:
        """The input of the rows of the span's columns, [times * B, span, ...]; other columns are read once."""
        prior, span, first = self.prior, self.span, not self.transformer.inputs
        near = slice(max(0, span.start - 1), span.stop + 1) if not first else slice(0, ids.shape[-1])
        inner = slice(span.start - near.start, span.stop - near.start)
        shown = prior.embedding.rows(*(self.guidance.repeated(part[..., near]) for part in (ids, hidden)))
        x = prior.embedding.joined(shown if first else shown[:, inner])
        y = self.transformer(x + self.conditions[:, near if first else span])
        beside = [part[:, inner] for part in prior.rows.near(shown, self.valid[:, near])]
        return prior.rows.seen([(slice(None), y)], beside, self.labels)


MODEL, CONFIG = MaskedPrior, MaskedPriorConfig
