"""The diffusion prior: a rectified flow over latents, quantised at the end.

A transformer over columns predicts the velocity of a straight path from Gaussian noise to the latents (Liu et al. 2023; Lipman
et al. 2023), given the labels, the known part of the latents and which cells are known. Sampling integrates the velocity in a
few steps and writes the nearest codewords into the hidden cells, stage by stage; known cells are never touched.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vqaudio import ranges
from vqaudio.codes import CodeSpec
from vqaudio.nn.cells import levels_of
from vqaudio.nn.random_masks import band_heights, random_area
from vqaudio.nn.transformer import PERIODS, Conditions, Transformer, drop_labels, rotary_angles, sinusoidal, window_mask
from vqaudio.prior import Gap, Guidance, Prior, SequenceConfig


@dataclass(frozen=True)
class DiffusionPriorConfig(SequenceConfig):
    """The shape of a diffusion prior.

    Its temperature scales the noise that a path starts from; top-k and top-p do nothing.
    """

    module: ranges.Name = "priors.diffusion"
    latent_dim: ranges.Width = 64
    """Principal axes of the codewords that are kept; `vqaudio train prior` fills it in, see `axes_needed`."""
    steps: ranges.Passes = 8
    """Steps of the integration."""
    solver: Literal["heun", "euler"] = "heun"
    """Heun's method evaluates the velocity twice a step, Euler's once."""


class DiffusionPrior(Prior):
    """The diffusion prior; see the module. Steps are those of the integration."""

    summary = "A diffusion prior: a rectified flow over the codec's latents, quantised to codes at the end."
    likelihood, sees_right = "none", True

    def __init__(self, config: DiffusionPriorConfig):
        super().__init__(config)
        c = config
        n_values = tuple(map(len, self.labels.values()))
        self.latents = Latents(self.spec, c.latent_dim)
        width = self.latents.width
        self.join = nn.Linear(2 * width + self.spec.rows, c.dim)
        self.conditions = Conditions(n_values, c.dim)
        self.time = nn.Sequential(nn.Linear(2 * PERIODS, c.dim), nn.SiLU(), nn.Linear(c.dim, c.dim))
        self.transformer = Transformer(c.dim, c.layers, c.heads, c.expansion, c.dropout)
        self.shifts = nn.ModuleList(nn.Linear(c.dim, c.dim) for _ in range(c.layers))
        self.out = nn.Linear(c.dim, width)
        for layer in (*self.shifts, self.out):
            nn.init.normal_(layer.weight, std=1e-2)
            nn.init.zeros_(layer.bias)
        self.register_buffer("stage_of_row", torch.tensor(self.spec.stage_of_row), persistent=False)
        self.register_buffer("band_of_row", band_heights(self.spec), persistent=False)
        self.register_buffer("unconditional", torch.tensor(n_values, dtype=torch.long), persistent=False)

    def start_from(self, codewords: list[Tensor]) -> None:
        self.latents.start_from(codewords)

    def velocity(self, x: Tensor, t: Tensor, known: "Known", conditions: Tensor, allowed: Tensor | None) -> Tensor:
        """The velocity at x [B, T, width] and time t [B].

        Time is 0 for noise and 1 for latents.

        The network adds to the best velocity for latents that are independent Gaussians with the codebooks' variances.
        """
        s, t = self.latents.deviations.square(), t[:, None, None]
        variance = (1 - t).square() + t.square() * s
        seen = torch.where(known.open, x * variance.rsqrt(), known.latents)
        y = self.join(torch.cat([seen, known.latents, known.cells], dim=-1))
        c = F.silu(conditions + self.time(sinusoidal(100 * t[:, 0])))
        cos, sin = rotary_angles(y.shape[1], self.transformer.head_dim, y.device)
        for layer, shift in zip(self.transformer.layers, self.shifts):
            y = layer(y + shift(c), allowed, cos, sin)
        y = self.out(self.transformer.norm(y)).float()
        return (t * s - (1 - t)) / variance * x + (s / variance).sqrt() * y

    def loss(self, ids: Tensor, valid: Tensor, labels: Tensor, cut: Tensor | None = None) -> Tensor:
        """Mean squared error of the velocity where cells are hidden.

        Times are from a logit-normal distribution (Esser et al. 2024).
        """
        labels = drop_labels(labels, self.unconditional, self.config.label_dropout * self.training)
        hidden = self._random_mask(valid)
        target = self.latents.of(ids)
        noise, t = torch.randn_like(target), torch.randn(len(ids), device=target.device).sigmoid()
        x = torch.lerp(noise, target, t[:, None, None])
        known = self.latents.known(ids, hidden, valid)
        allowed = window_mask(valid, self.config.attention_columns)
        v = self.velocity(x, t, known, self.conditions(labels, valid, cut), allowed)
        counted = known.open & valid[..., None]
        return ((v - (target - noise)).square() * counted).sum() / counted.sum().clamp_min(1)

    def _random_mask(self, valid: Tensor) -> Tensor:
        """A random training mask, bool [B, K, T]: all stages of an area, or for one clip in four its finer stages only."""
        area = random_area(valid, self.band_of_row)
        first = (torch.rand(len(valid), 1, 1, device=valid.device) * len(self.spec.stages)).long()
        fine = torch.rand(len(valid), 1, 1, device=valid.device) < 0.25
        return area & (~fine | (self.stage_of_row[:, None] >= first)) & valid[:, None]

    def reach(self, mask, valid):
        reach = self.config.attention_columns
        return None if reach is None else (self.config.layers * reach, self.config.layers * reach)

    def _sample(self, gap, sampling, noise, report):
        flow = _Flow(self, gap, Guidance(gap.labels, self.unconditional, sampling.guidance))
        x = sampling.temperature * noise.normal(slice(0, gap.ids.shape[2]), self.latents.width)
        times = torch.linspace(0, 1, sampling.steps + 1).tolist()
        for n, (t, after) in enumerate(zip(times, times[1:])):
            v = flow(x, t)
            guess = x + (1 - t) * v
            if self.config.solver == "heun" and n + 1 < sampling.steps:
                v = 0.5 * (v + flow(x + (after - t) * v, after))
            x = x + (after - t) * v
            ids = self.latents.quantised(x if n + 1 == sampling.steps else guess, gap.ids, gap.hole)
            report(n + 1, sampling.steps, ids)
        return ids


class _Flow:
    """The guided velocity of a gap's latents; everything that its steps share is computed once."""

    def __init__(self, prior: DiffusionPrior, gap: Gap, guidance: Guidance):
        self.prior, self.guidance = prior, guidance
        valid = guidance.repeated(gap.valid)
        self.known = prior.latents.known(*(guidance.repeated(part) for part in (gap.ids, gap.hole)), valid)
        self.conditions = prior.conditions(guidance.labels, valid, guidance.repeated(gap.cut))
        self.allowed = window_mask(valid, prior.config.attention_columns)

    def __call__(self, x: Tensor, t: float) -> Tensor:
        x = self.guidance.repeated(x)
        time = torch.full((len(x),), t, device=x.device)
        return self.guidance(self.prior.velocity(x, time, self.known, self.conditions, self.allowed))


@dataclass(frozen=True)
class Known:
    """The known part of a clip.

    Attributes:
        latents: [B, T, width], the sum of the known codewords.
        cells: [B, T, K], 1 where a cell is known.
        open: bool [B, T, width], where a latent has a hidden cell.
    """

    latents: Tensor
    cells: Tensor
    open: Tensor


class Latents(nn.Module):
    """Maps codes to the latents of each column and back.

    The latents of a level (stages that share a grid) are the sums of its stages' codewords, centred, projected to their largest
    principal axes and divided by their standard deviation, all estimated from the codebooks. Distances keep their proportions, so
    the nearest codeword stays the nearest.
    """

    def __init__(self, spec: CodeSpec, dim: int):
        super().__init__()
        self.spec = spec
        self.levels = stages_of_levels(spec)
        self.cells = [spec.stages[stages[0]].rows for stages in self.levels]
        self.width = dim * sum(self.cells)
        vocab = max(spec.vocab_of_row)
        sizes = 0.5 ** torch.arange(len(spec.stages))
        self.register_buffer("codewords", sizes[:, None, None] * torch.randn(len(sizes), vocab, dim))
        self.register_buffer("deviations", torch.ones(self.width))

    @torch.no_grad()
    def start_from(self, codewords: list[Tensor]) -> None:
        """Take the codec's codewords [V, D] of each row."""
        deviations, dim = [], self.codewords.shape[2]
        for stages, cells in zip(self.levels, self.cells):
            words = [codewords[self.spec.offsets[j]].float() for j in stages]
            values, axes = principal_axes(words)
            values, axes = values[:dim], axes[:, :dim]
            scale = values.mean().sqrt() + 1e-9
            for j, w in zip(stages, words):
                centred = w - sum(other.mean(0) for other in words) if j == stages[0] else w
                self.codewords[j, : len(w)] = centred @ axes / scale
            deviations += [(values.sqrt() / scale).clamp_min(1e-2)] * cells
        self.deviations.copy_(torch.cat(deviations))

    def of(self, ids: Tensor, known: Tensor | None = None) -> Tensor:
        """Latents [B, T, width] of ids [B, K, T].

        With `known` [B, K, T], only these cells' codewords are summed.
        """
        parts = []
        for stages in self.levels:
            vectors = 0
            for j in stages:
                rows = self.spec.rows_of(j)
                words = F.embedding(ids[:, rows], self.codewords[j])
                vectors = vectors + (words if known is None else words * known[:, rows, :, None])
            parts.append(vectors)
        return torch.cat(parts, 1).transpose(1, 2).flatten(2)

    def known(self, ids: Tensor, hidden: Tensor, valid: Tensor) -> Known:
        """The known part of clips.

        ids and hidden are [B, K, T], valid [B, T].
        """
        seen = ~hidden & valid[:, None]
        is_open = [torch.stack([hidden[:, self.spec.rows_of(j)] for j in stages]).any(0) for stages in self.levels]
        dim = self.codewords.shape[2]
        return Known(self.of(ids, seen), seen.mT.float(), torch.cat(is_open, 1).mT.repeat_interleave(dim, -1))

    def quantised(self, latents: Tensor, ids: Tensor, hidden: Tensor) -> Tensor:
        """Write the nearest codewords into the hidden cells, coarse to fine.

        Known cells are subtracted as they are.         latents [B, T, width], ids and hidden [B, K, T] -> ids [B, K, T].
        """
        ids, dim, first = ids.clone(), self.codewords.shape[2], 0
        grid = latents.unflatten(-1, (-1, dim)).transpose(1, 2)
        for stages, cells in zip(self.levels, self.cells):
            residual = grid[:, first : first + cells]
            for j in stages:
                rows, table = self.spec.rows_of(j), self.codewords[j, : self.spec.stages[j].vocab]
                nearest = (table.square().sum(-1) - 2 * residual @ table.T).argmin(-1)
                ids[:, rows] = torch.where(hidden[:, rows], nearest, ids[:, rows])
                residual = residual - F.embedding(ids[:, rows], table)
            first += cells
        return ids


def stages_of_levels(spec: CodeSpec) -> list[list[int]]:
    """The stages of each level, see `levels_of`."""
    return [sorted(set(spec.stage_of_row[rows])) for rows in levels_of(spec)]


def principal_axes(words: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Variances [D], largest first, and axes [D, D] of sums of codewords.

    Each sum takes one random codeword of each stage, [V, D] each.
    """
    values, axes = torch.linalg.eigh(sum(torch.cov(w.float().T, correction=0) for w in words))
    return values.flip(0).clamp_min(0), axes.flip(1)


def axes_needed(spec: CodeSpec, codewords: list[Tensor], share: float = 1e-4) -> int:
    """Count the axes that leave out at most this share of any level's variance.

    The codewords are [V, D] of each row.
    """
    levels = [principal_axes([codewords[spec.offsets[j]] for j in stages])[0] for stages in stages_of_levels(spec)]
    return max(*(int((values.cumsum(0) < (1 - share) * values.sum()).sum()) + 1 for values in levels), 1)


MODEL, CONFIG = DiffusionPrior, DiffusionPriorConfig
