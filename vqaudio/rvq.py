"""The residual vector quantiser: the only vector quantiser here. Plain VQ is one stage of it.

Codebooks follow an exponential moving average (van den Oord et al. 2017, "Neural Discrete Representation Learning",
appendix A.1) or, as a setting, the gradient of the original objective (the same paper, equation 3). Residual stages and
quantiser dropout are those of SoundStream (Zeghidour et al. 2021); the low-dimensional, L2-normalised look-up is that of
Yu et al. 2021 (ViT-VQGAN) and Kumar et al. 2023 (DAC).
"""

import math
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

ROWS_AT_ONCE = 256  # rows of distances that stay in the cache while their minimum is taken


@dataclass
class Quantised:
    """What a quantiser returns.

    Attributes:
        quantised: [B, D, *grid]; carries the straight-through gradient (exactly 1 without `lookup_dim`).
        ids: int [B, K, *grid].
        commitment_loss: scalar, mean over valid vectors, dimensions and stages; not yet multiplied by beta.
        codebook_loss: scalar; zero when the codebooks follow the moving average.
        perplexity: [K] exp of the entropy (nats) of each stage's indices in this batch, 1 to vocab.
        usage: [K] share of each stage's codewords that this batch used, 0 to 1.
    """

    quantised: Tensor
    ids: Tensor
    commitment_loss: Tensor
    codebook_loss: Tensor
    perplexity: Tensor
    usage: Tensor


class Codebook(nn.Module):
    """One stage: `vocab` codewords of `dim` numbers, with the moving averages that move them.

    Buffers: `codewords` e [V, D], `mass` N [V], `sums` m [V, D]; starts at m = e and N = 0.
    """

    def __init__(self, dim: int, vocab: int, decay: float, normalise: bool, trained_by_gradient: bool):
        super().__init__()
        codewords = torch.randn(vocab, dim) / math.sqrt(dim)
        if normalise:
            codewords = F.normalize(codewords, dim=-1)
        self.decay, self.normalise = decay, normalise
        if trained_by_gradient:
            self.codewords = nn.Parameter(codewords)
        else:
            self.register_buffer("codewords", codewords)
            self.register_buffer("mass", torch.zeros(vocab))
            self.register_buffer("sums", codewords.clone())

    def table(self) -> Tensor:
        """The codewords as they are compared and looked up: [V, D]."""
        return F.normalize(self.codewords, dim=-1) if self.normalise else self.codewords

    @torch.no_grad()
    def update(self, vectors: Tensor, ids: Tensor, counts: Tensor) -> None:
        """One step of the moving average over vectors [n, D] (zero where inactive), their ids [n] and each id's count [V]."""
        counts = counts.to(self.mass.dtype, copy=True)
        sums = torch.zeros_like(self.sums).index_add_(0, ids, vectors.to(self.sums.dtype))
        _sum_over_processes(counts)
        _sum_over_processes(sums)
        self.mass.mul_(self.decay).add_(counts, alpha=1 - self.decay)
        self.sums.mul_(self.decay).add_(sums, alpha=1 - self.decay)
        self._move_codewords()

    def _move_codewords(self) -> None:
        has_mass = self.mass > 0
        moved = self.sums / torch.where(has_mass, self.mass, 1.0)[:, None]
        if self.normalise:
            moved = F.normalize(moved, dim=-1)
        self.codewords.copy_(torch.where(has_mass[:, None], moved, self.codewords))

    @torch.no_grad()
    def place(self, which: Tensor, vectors: Tensor, mass: Tensor | float) -> None:
        """Put the codewords where bool `which` [V] is True onto `vectors` [V, D], with that much mass."""
        vectors = F.normalize(vectors, dim=-1) if self.normalise else vectors
        mass = torch.as_tensor(mass, dtype=self.codewords.dtype, device=vectors.device).expand(len(vectors))
        self.codewords.data.copy_(torch.where(which[:, None], vectors, self.codewords.data))
        if hasattr(self, "mass"):
            self.mass.copy_(torch.where(which, mass, self.mass))
            self.sums.copy_(torch.where(which[:, None], vectors * mass[:, None], self.sums))


class ResidualVQ(nn.Module):
    """Quantises vectors by a sum of codewords, one a stage, each stage coding what the earlier ones left over.

    Args:
        dim: D, numbers in a vector.
        n_stages: K, codebooks.
        vocab: V, codewords in each.
        decay: g of the moving average, 0 < g < 1.
        beta: weight of the commitment loss in `loss`.
        update: "ema", or "gradient" for the original objective (codebook loss + beta * commitment loss).
        lookup_dim: if given, each stage compares L2-normalised projections of that many dimensions.
        kmeans_steps: Lloyd iterations on the first training batch; 0 leaves the random codewords.
        restart_below: a codeword whose mass falls under this share of the stage's mean mass is put onto a random vector.
        restart_every: training steps between two looks for such codewords; 0 for never.
    """

    def __init__(
        self, dim: int, n_stages: int, vocab: int, *, decay: float = 0.99, beta: float = 0.25, update: str = "ema",
        lookup_dim: int | None = None, kmeans_steps: int = 10, restart_below: float = 0.05, restart_every: int = 20,
    ):
        super().__init__()
        if update not in ("ema", "gradient"):
            raise ValueError(f"update is 'ema' or 'gradient', not {update!r}")
        self.dim, self.n_stages, self.vocab, self.beta = dim, n_stages, vocab, beta
        self.trained_by_gradient = update == "gradient"
        self.kmeans_steps, self.restart_below, self.restart_every = kmeans_steps, restart_below, restart_every
        projected = lookup_dim is not None
        self.codebooks = nn.ModuleList(
            Codebook(lookup_dim or dim, vocab, decay, projected, self.trained_by_gradient) for _ in range(n_stages)
        )
        project = (lambda i, o: nn.Linear(i, o)) if projected else (lambda i, o: nn.Identity())
        self.project_in = nn.ModuleList(project(dim, lookup_dim) for _ in range(n_stages))
        self.project_out = nn.ModuleList(project(lookup_dim, dim) for _ in range(n_stages))
        self.normalise = projected
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    # --- encoding and decoding -------------------------------------------------------------------------------------

    @torch.no_grad()
    def encode(self, x: Tensor, n_stages: int | None = None, beam: int = 1) -> Tensor:
        """The ids [B, n, *grid] of x [B, D, *grid], greedily or by a beam search of that width (kept paths a vector)."""
        vectors, grid = _flatten(x)
        n = n_stages or self.n_stages
        if beam > 1:
            ids = torch.cat([self._beam_search(part, n, beam) for part in vectors.split(1024)])
        else:
            ids = torch.cat([self._greedy(part, n) for part in _cache_sized(vectors)])
        return _unflatten(ids, grid)

    def _greedy(self, residual: Tensor, n: int) -> Tensor:
        ids = residual.new_empty(len(residual), n, dtype=torch.long)
        for j in range(n):
            ids[:, j] = nearest(self._project(residual, j), self.codebooks[j].table())
            if j + 1 < n:
                residual = residual - self.vectors_of(ids[:, j], j)
        return ids

    def _beam_search(self, vectors: Tensor, n: int, beam: int) -> Tensor:
        """Keeps the `beam` paths of codewords with the smallest remaining residual, stage after stage."""
        residuals = vectors[:, None]  # [n, paths, D]
        paths = torch.empty(len(vectors), 1, 0, dtype=torch.long, device=vectors.device)
        for j in range(n):
            distances = squared_distances(self._project(residuals.flatten(0, 1), j), self.codebooks[j].table())
            near = distances.topk(min(beam, self.vocab), largest=False).indices.view(len(vectors), -1)
            parent = torch.arange(residuals.shape[1], device=near.device).repeat_interleave(near.shape[1] // residuals.shape[1])
            candidates = residuals[:, parent] - self.vectors_of(near.flatten(), j).view(*near.shape, self.dim)
            best = candidates.square().sum(-1).topk(min(beam, near.shape[1]), largest=False).indices
            residuals = candidates.gather(1, best[..., None].expand(-1, -1, self.dim))
            paths = torch.cat([
                paths.gather(1, parent[best][..., None].expand(-1, -1, j)), near.gather(1, best)[..., None]
            ], dim=-1)
        return paths[:, 0]

    def decode(self, ids: Tensor, stages=None) -> Tensor:
        """The sum of codewords: ids [B, n, *grid] of the first n stages -> [B, D, *grid]; `stages` picks some of them."""
        grid = ids.shape[2:]
        chosen = range(ids.shape[1]) if stages is None else stages
        total = ids.new_zeros(ids.shape[0], *grid, self.dim, dtype=self.codebooks[0].codewords.dtype)
        for j in chosen:
            total = total + self.vectors_of(ids[:, j], j)
        return total.movedim(-1, 1)

    def vectors_of(self, ids: Tensor, stage: int) -> Tensor:
        """The vectors [..., D] that indices [...] of a stage stand for."""
        return self.project_out[stage](F.embedding(ids, self.codebooks[stage].table()))

    def nearest_words(self, vector: Tensor, ids: Tensor, stage: int, count: int) -> tuple[Tensor, Tensor]:
        """The codewords of a stage nearest to what the earlier stages `ids` [K] left of `vector` [D].

        Returns:
            ids [count] and distances [count] (Euclidean, in the space of the look-up), nearest first.
        """
        residual = vector - sum((self.vectors_of(ids[i], i) for i in range(stage)), torch.zeros_like(vector))
        squared = squared_distances(self._project(residual[None], stage), self.codebooks[stage].table(), whole=True)[0]
        found = squared.clamp_min(0).sqrt().topk(count, largest=False)
        return found.indices, found.values

    def _project(self, residual: Tensor, j: int) -> Tensor:
        projected = self.project_in[j](residual)
        return F.normalize(projected, dim=-1) if self.normalise else projected

    # --- training --------------------------------------------------------------------------------------------------

    def forward(self, x: Tensor, valid: Tensor | None = None, n_stages: Tensor | None = None) -> Quantised:
        """Quantise x [B, D, *grid]; in training mode the codebooks take one step.

        Args:
            valid: bool [B, *grid]; vectors where it is False touch no codebook, no loss and no statistic.
            n_stages: int [B], quantiser dropout: item b uses its first n_stages[b] stages. None for all.
        """
        vectors, grid = _flatten(x)
        ones = torch.ones(len(vectors), dtype=torch.bool, device=x.device)
        valid_rows = ones if valid is None else valid.flatten()
        depth = None if n_stages is None else n_stages.repeat_interleave(len(vectors) // len(x))
        step = int(self.steps) if self.training else 0
        restart = bool(self.restart_every) and (step + 1) % self.restart_every == 0
        if self.training and step == 0 and self.kmeans_steps:
            self._initialise(vectors.detach()[valid_rows])
        residual, total = vectors, torch.zeros_like(vectors)
        ids, statistics, losses = [], [], []
        for j in range(self.n_stages):
            active = valid_rows if depth is None else valid_rows & (depth > j)
            stage_ids, out, commitment, codebook_loss, moments = self._stage(j, residual, active, restart)
            used = active[:, None].to(out.dtype)
            residual = residual - (out * used if self.normalise else (out * used).detach())
            total = total + out * used
            ids.append(stage_ids)
            statistics.append(moments)
            losses.append(torch.stack([commitment, codebook_loss]))
        if not self.normalise:
            total = vectors + (total - vectors).detach()
        if self.training:
            self.steps += 1
        perplexity, usage = (torch.stack(column) for column in zip(*statistics))
        commitment_loss, codebook_loss = torch.stack(losses).mean(0)
        return Quantised(
            _unflatten(total, grid), _unflatten(torch.stack(ids, 1), grid), commitment_loss, codebook_loss, perplexity, usage,
        )

    def loss(self, result: Quantised) -> Tensor:
        """What a training loss adds for the quantiser: codebook loss + beta * commitment loss."""
        return result.codebook_loss + self.beta * result.commitment_loss

    def _stage(self, j: int, residual: Tensor, active: Tensor, restart: bool):
        codebook = self.codebooks[j]
        projected = self._project(residual, j)
        table = codebook.table()
        ids = nearest(projected.detach(), table)
        words = F.embedding(ids, table)
        commitment = _mean_over(projected, words.detach(), active)
        codebook_loss = _mean_over(words, projected.detach(), active) if self.trained_by_gradient else commitment * 0
        out = self.project_out[j](projected + (words - projected).detach()) if self.normalise else words
        weights = active.to(projected.dtype)
        counts = weights.new_zeros(self.vocab).index_add_(0, ids, weights)
        if self.training and not self.trained_by_gradient:
            codebook.update(projected.detach() * weights[:, None], ids, counts)
            if restart:
                self._restart(codebook, projected.detach(), weights)
        share = counts / counts.sum().clamp_min(1)
        perplexity = torch.special.entr(share).sum().exp()
        return ids, out, commitment, codebook_loss, (perplexity, (counts > 0).float().mean())

    @torch.no_grad()
    def _initialise(self, residual: Tensor) -> None:
        """k-means on the vectors [n, D] of the first training batch, stage after stage on what the earlier ones leave."""
        if len(residual) == 0:
            return
        everything = torch.ones(self.vocab, dtype=torch.bool, device=residual.device)
        for j, codebook in enumerate(self.codebooks):
            projected = self._project(residual, j)
            centres, counts = kmeans(projected, self.vocab, self.kmeans_steps, self.normalise)
            _from_first_process(centres)
            _from_first_process(counts)
            codebook.place(everything, centres, counts)
            residual = residual - self.vectors_of(nearest(projected, codebook.table()), j)

    @torch.no_grad()
    def _restart(self, codebook: Codebook, vectors: Tensor, weights: Tensor) -> None:
        """Put codewords that nobody uses onto random active vectors of the batch (the same ones in every process)."""
        chosen = vectors[torch.multinomial(weights + 1e-9, self.vocab, replacement=True)].clone()
        _from_first_process(chosen)
        mean_mass = codebook.mass.mean()
        codebook.place(codebook.mass < self.restart_below * mean_mass, chosen, mean_mass)


def squared_distances(vectors: Tensor, table: Tensor, whole: bool = False) -> Tensor:
    """[n, D], [V, D] -> [n, V] squared distances, less |vector|^2 unless `whole` (it does not change which is nearest)."""
    distances = torch.addmm(table.square().sum(-1), vectors, table.T, alpha=-2)
    return distances + vectors.square().sum(-1, keepdim=True) if whole else distances


def nearest(vectors: Tensor, table: Tensor) -> Tensor:
    """The index [n] of the codeword of `table` [V, D] nearest to each vector [n, D]."""
    return torch.cat([squared_distances(part, table).argmin(-1) for part in _cache_sized(vectors)])


def _cache_sized(vectors: Tensor) -> tuple[Tensor, ...]:
    """On a CPU, parts small enough that their distances stay in the cache; on a GPU, the whole."""
    return vectors.split(ROWS_AT_ONCE) if vectors.device.type == "cpu" else (vectors,)


def kmeans(vectors: Tensor, n_clusters: int, n_steps: int, normalise: bool = False) -> tuple[Tensor, Tensor]:
    """Lloyd's algorithm from random vectors: [n, D] -> centres [n_clusters, D] and how many vectors each has."""
    order = torch.randperm(len(vectors), device=vectors.device)
    repeats = math.ceil(n_clusters / len(vectors))
    centres = vectors[order.repeat(repeats)[:n_clusters]].clone()
    for _ in range(n_steps):
        ids = nearest(vectors, centres)
        counts = torch.bincount(ids, minlength=n_clusters).to(vectors.dtype)
        sums = torch.zeros_like(centres).index_add_(0, ids, vectors)
        centres = torch.where(counts[:, None] > 0, sums / counts.clamp_min(1)[:, None], centres)
        if normalise:
            centres = F.normalize(centres, dim=-1)
    return centres, counts


def _mean_over(a: Tensor, b: Tensor, active: Tensor) -> Tensor:
    per_vector = (a - b).square().mean(-1)
    return (per_vector * active).sum() / active.sum().clamp_min(1)


def _flatten(x: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    """[B, D, *grid] -> [B * cells, D] and (B, *grid)."""
    return x.movedim(1, -1).reshape(-1, x.shape[1]), (x.shape[0], *x.shape[2:])


def _unflatten(rows: Tensor, grid: tuple[int, ...]) -> Tensor:
    """[B * cells, n] -> [B, n, *grid]."""
    return rows.view(*grid, rows.shape[-1]).movedim(-1, 1)


def _sum_over_processes(tensor: Tensor) -> None:
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(tensor)


def _from_first_process(tensor: Tensor) -> None:
    if dist.is_available() and dist.is_initialized():
        dist.broadcast(tensor, 0)
