"""The naive Bayes prior: p(cell) times p(neighbour | cell) over its neighbours.

Neighbours are cells nearby in time, bands and stages, and the labels.

It counts, without gradients: each pair of neighbouring rows has a table of how often two ids are neighbours; if a column has many
rows, all bands of a stage share one. The neighbours are assumed to be independent given the cell, which they are not: this is the
plain baseline. A gap is filled by Gibbs sampling (Geman and Geman 1984).
"""

from dataclasses import dataclass, field
from typing import Annotated

import torch
from torch import Tensor

from vqaudio import ranges
from vqaudio.codes import CodeSpec
from vqaudio.prior import Prior, PriorConfig, draw


@dataclass(frozen=True)
class NaiveBayesPriorConfig(PriorConfig):
    """The shape of a naive Bayes prior."""

    module: ranges.Name = "priors.naive_bayes"
    steps: ranges.Passes = 8
    """Gibbs sweeps."""
    smoothing: Annotated[float, ranges.Range(0, 1_000_000, above=True)] = 16.0
    """Added to every count (Lidstone smoothing). Large values soften factors that are not independent."""
    reach: Annotated[int, ranges.Range(0, 64)] = 1
    """Columns on either side that count as neighbours."""
    shared: bool = field(default=False, metadata={"later": True})
    """Whether pairs of neighbours of one kind (the next sub-column, the next band, the cell in the coarser stage) share a table
    in all bands of a stage. The counts of single rows and of labels stay separate. Counts are clamped at 32,767."""


class NaiveBayesPrior(Prior):
    """The naive Bayes prior; see the module.

    Steps are Gibbs sweeps; guidance weights the labels' factors.

    `pairs` are (row a, row b, dt): row b, dt columns later, and row a are neighbours; `table_of_pair` is the table of each.
    """

    summary = "A naive Bayes prior: counts of neighbouring codes, sampled by Gibbs sweeps; the plain baseline."
    likelihood, sees_right = "pseudo", True

    def __init__(self, config: NaiveBayesPriorConfig):
        super().__init__(config)
        self.pairs, kinds = neighbours(self.spec, config.reach), kinds_of_neighbours(self.spec, config.reach)
        self.table_of_pair = [sorted(set(kinds)).index(kind) for kind in kinds] if config.shared else list(range(len(kinds)))
        self.first_pairs = [self.table_of_pair.index(n) for n in range(max(self.table_of_pair, default=-1) + 1)]
        rows, vocab = self.spec.rows, max(self.spec.vocab_of_row)
        n_values = [len(values) for values in self.labels.values()]
        counts = torch.int16 if config.shared else torch.int32  # many rows' tables would take tens of megabytes
        self.register_buffer("row_counts", torch.zeros(rows, vocab, dtype=torch.int32))
        self.register_buffer("pair_counts", torch.zeros(len(self.first_pairs), vocab, vocab, dtype=counts))
        self.register_buffer("label_counts", torch.zeros(rows, sum(n_values), vocab, dtype=counts))
        self._tables = None

    @torch.no_grad()
    def count(self, ids: Tensor, valid: Tensor, labels: Tensor) -> None:
        """Add clips to the counts; open labels are not counted.

        ids [B, K, T], valid [B, T], labels [B, kinds].
        """
        self._tables = None
        vocab, columns = self.row_counts.shape[1], ids.shape[2]
        for row in range(self.spec.rows):
            here = ids[:, row][valid]
            self.row_counts[row] += torch.bincount(here, minlength=vocab).int()
            first = 0
            for kind, values in enumerate(self.labels.values()):
                value = labels[:, kind, None].expand(valid.shape)[valid]  # the last row of counts is for open labels
                counts = torch.bincount(value * vocab + here, minlength=(len(values) + 1) * vocab).view(-1, vocab)
                _add(self.label_counts[row, first : first + len(values)], counts[:-1])
                first += len(values)
        for n, (a, b, dt) in enumerate(self.pairs):
            met = valid[:, : columns - dt] & valid[:, dt:]
            if met.numel():
                joint = ids[:, a, : columns - dt][met] * vocab + ids[:, b, dt:][met]
                _add(self.pair_counts[self.table_of_pair[n]], torch.bincount(joint, minlength=vocab * vocab).view(vocab, vocab))

    def loss(self, ids: Tensor, valid: Tensor, labels: Tensor, cut: Tensor | None = None) -> Tensor:
        cells = valid[:, None].expand(ids.shape)
        return -self._log_prob(ids, valid, labels)[cells].mean()

    def tables(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Log-probabilities from the counts, -inf where a row has no such id.

        Returns:
            p(cell) [K, V]; p(b | a) and p(a | b) of every pair's table [tables, neighbour, cell]; p(label | cell) [K, values,
            cell].
        """
        if self._tables is None or self._tables[0].device != self.device:
            alpha, v = self.config.smoothing, torch.tensor(self.spec.vocab_of_row, device=self.row_counts.device)
            exists = torch.arange(self.row_counts.shape[1], device=v.device)[None] < v[:, None]
            marginal = (self.row_counts + alpha) / (self.row_counts.sum(-1, keepdim=True) + alpha * v[:, None])
            kept = [self.pairs[n] for n in self.first_pairs]
            a, b = (torch.tensor([pair[i] for pair in kept], device=v.device, dtype=torch.long) for i in (0, 1))
            counts = self.pair_counts.float()
            of_b = (counts + alpha) / (counts.sum(2, keepdim=True) + alpha * v[b][:, None, None])
            of_a = (counts + alpha) / (counts.sum(1, keepdim=True) + alpha * v[a][:, None, None])
            parts, first = [], 0
            for values in self.labels.values():
                part = self.label_counts[:, first : first + len(values)].float()
                parts.append((part + alpha) / (part.sum(1, keepdim=True) + alpha * len(values)))
                first += len(values)
            of_label = torch.cat(parts, 1) if parts else self.label_counts.float()
            self._tables = marginal.log().masked_fill(~exists, -torch.inf), of_b.mT.log(), of_a.log(), of_label.log()
        return self._tables

    def cell_logits(self, ids: Tensor, known: Tensor, labels: Tensor, row: int, weight: float = 1.0) -> Tensor:
        """Unnormalised log p of a row's ids, given known neighbours and labels: [B, T, V].

        Args:
            ids: [B, K, T].
            known: bool [B, K, T]; unknown neighbours, and padding, are ignored.
            labels: [B, kinds], or [B, kinds, K, T] of each cell.
            row: 0 to K - 1.
            weight: of the labels' factors.
        """
        marginal, of_b, of_a, of_label = self.tables()
        logits = marginal[row].repeat(*ids[:, row].shape, 1)
        for n, (a, b, dt) in enumerate(self.pairs):
            t, n = ids.shape[2] - dt, self.table_of_pair[n]
            if a == row and t > 0:
                logits[:, :t] += of_b[n][ids[:, b, dt:]] * known[:, b, dt:, None]
            if b == row and t > 0:
                logits[:, dt:] += of_a[n][ids[:, a, :t]] * known[:, a, :t, None]
        first = 0
        for kind, values in enumerate(self.labels.values()):
            here = labels[:, kind, None] if labels.ndim == 2 else labels[:, kind, row]
            weights = weight * (here < len(values))
            logits += of_label[row, first + here.clamp(max=len(values) - 1)] * weights[..., None]
            first += len(values)
        return logits

    def _log_prob(self, ids, valid, labels):
        known = valid[:, None].expand(ids.shape)
        log_probs = []
        for row in range(self.spec.rows):
            logits = self.cell_logits(ids, known, labels, row).log_softmax(-1)
            log_probs.append(logits.gather(-1, ids[:, row, :, None])[..., 0])
        return torch.stack(log_probs, 1)

    def reach(self, mask, valid):
        return self.config.reach, self.config.reach

    def _sample(self, gap, sampling, noise, report):
        """Gibbs sweeps, the first one coarse to fine; each draws every (reach + 1)-th column at once."""
        ids, known, columns = gap.ids.clone(), gap.valid[:, None] & ~gap.hole, gap.ids.shape[2]
        stride = self.config.reach + 1
        phase = (torch.arange(columns, device=ids.device) + gap.cut[:, :1]) % stride
        for sweep in range(sampling.steps):
            for row in gap.hole.any(2).any(0).nonzero()[:, 0].tolist():
                for turn in range(stride):
                    here = gap.hole[:, row] & (phase == turn)
                    logits = self.cell_logits(ids, known, gap.labels, row, sampling.guidance)
                    drawn = noise.for_ids(slice(0, columns), logits.shape[-1]) if sampling.temperature else None
                    ids[:, row] = torch.where(here, draw(logits, sampling, noise=drawn), ids[:, row])
                    known[:, row] |= here
            report(sweep + 1, sampling.steps, ids.clone())
        return ids


def _add(counts: Tensor, new: Tensor) -> None:
    """Add in place, clamped to the maximum of the counts' dtype."""
    counts.copy_((counts + new).clamp(max=torch.iinfo(counts.dtype).max))


def neighbours(spec: CodeSpec, reach: int) -> list[tuple[int, int, int]]:
    """Pairs of neighbouring rows (row a, row b, dt).

    The next sub-columns, the next band, and the same cell in the next finer stage.
    """
    pairs = []
    for j, stage in enumerate(spec.stages):
        for band in range(stage.bands):
            for step in range(stage.steps):
                row = spec.offsets[j] + band * stage.steps + step
                for ahead in range(1, reach + 1):
                    dt, other = divmod(step + ahead, stage.steps)
                    pairs.append((row, row - step + other, dt))
                if band + 1 < stage.bands:
                    pairs.append((row, row + stage.steps, 0))
                if j:
                    coarser = spec.stages[j - 1]
                    band_above, step_above = band * coarser.bands // stage.bands, step * coarser.steps // stage.steps
                    pairs.append((spec.offsets[j - 1] + band_above * coarser.steps + step_above, row, 0))
    return pairs


def kinds_of_neighbours(spec: CodeSpec, reach: int) -> list[tuple[int, int, int]]:
    """The kind of each of `neighbours`.

    The stages of its rows, and by how many sub-columns the second is later; 0 in another band or stage.
    """
    kinds = []
    for a, b, dt in neighbours(spec, reach):
        j, other = spec.stage_of_row[a], spec.stage_of_row[b]
        first, steps = spec.offsets[j], spec.stages[j].steps
        kinds.append((j, other, dt * steps + (b - first) % steps - (a - first) % steps if j == other else 0))
    return kinds


MODEL, CONFIG = NaiveBayesPrior, NaiveBayesPriorConfig
