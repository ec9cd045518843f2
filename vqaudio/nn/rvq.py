"""The residual vector quantiser, the only one here; plain VQ is one stage.

Codebooks follow an exponential moving average (van den Oord et al. 2017, "Neural Discrete Representation Learning",
appendix A.1) or, as a setting, the gradient of the original objective (the same paper, equation 3). Residual stages,
k-means initialisation, restart of dead codewords and quantiser dropout are those of SoundStream (Zeghidour et al. 2021,
section III-C); the low-dimensional, L2-normalised look-up is that of Yu et al. 2021 (ViT-VQGAN) and Kumar et al. 2023
(DAC).
"""

import functools
import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

Update = Literal["ema", "gradient", "fixed"]
ROWS_AT_ONCE = 256  # rows of distances that fit into a CPU's cache
COLUMNS_IN_GROUP = 64  # distances in a group of the two-level search for the minimum
BEAM_ROWS_AT_ONCE = 256  # so that the distances of all paths fit into the cache
NO_MASS = 1e-12  # below it m / N would lose its digits: a codeword unused for long stays unchanged


@dataclass
class Quantised:
    """The output of a quantiser.

    Attributes:
        quantised: [B, D, *grid]; carries the straight-through gradient (exactly 1 without `lookup_dim`).
        ids: int [B, K, *grid].
        commitment_loss: scalar, mean over the vectors in use, dimensions and stages; not yet multiplied by beta.
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
    """One stage: `vocab` codewords of `dim` numbers, with their moving averages.

    Buffers: `codewords` e [V, D] and, for the moving average, `mass` N [V] and `sums` m [V, D]; initially m = e and N = 0.
    """

    def __init__(self, dim: int, vocab: int, decay: float, normalise: bool, update: str):
        super().__init__()
        codewords = torch.randn(vocab, dim) / math.sqrt(dim)
        if normalise:
            codewords = F.normalize(codewords, dim=-1)
        self.decay, self.normalise = decay, normalise
        if update == "gradient":
            self.codewords = nn.Parameter(codewords)
        else:
            self.register_buffer("codewords", codewords)
        if update == "ema":
            self.register_buffer("mass", torch.zeros(vocab))
            self.register_buffer("sums", codewords.clone())

    def table(self) -> Tensor:
        """The codewords [V, D] for comparison and look-up, normalised if set."""
        return F.normalize(self.codewords, dim=-1) if self.normalise else self.codewords

    @torch.no_grad()
    def update(self, vectors: Tensor, ids: Tensor, counts: Tensor) -> None:
        """One step of the moving average.

        Args:
            vectors: [n, D], zero for vectors that are not counted.
            ids: int [n], the codeword of each vector.
            counts: [V], number of counted vectors of each codeword.
        """
        counts = counts.to(self.mass.dtype, copy=True)
        sums = torch.zeros_like(self.sums).index_add_(0, ids, vectors.to(self.sums.dtype))
        _sum_over_processes(counts)
        _sum_over_processes(sums)
        self.mass.mul_(self.decay).add_(counts, alpha=1 - self.decay)
        self.sums.mul_(self.decay).add_(sums, alpha=1 - self.decay)
        self._move_codewords()

    def _move_codewords(self) -> None:
        has_mass = self.mass > NO_MASS
        moved = self.sums / torch.where(has_mass, self.mass, 1.0)[:, None]
        if self.normalise:
            moved = F.normalize(moved, dim=-1)
        self.codewords.copy_(torch.where(has_mass[:, None], moved, self.codewords))

    @torch.no_grad()
    def place(self, which: Tensor, vectors: Tensor, mass: Tensor | float) -> None:
        """Move the codewords where bool `which` [V] is True, and set their mass.

        To `vectors` [V, D].
        """
        vectors = F.normalize(vectors, dim=-1) if self.normalise else vectors
        mass = torch.as_tensor(mass, dtype=self.codewords.dtype, device=vectors.device).expand(len(vectors))
        self.codewords.data.copy_(torch.where(which[:, None], vectors, self.codewords.data))
        if hasattr(self, "mass"):
            self.mass.copy_(torch.where(which, mass, self.mass))
            self.sums.copy_(torch.where(which[:, None], vectors * mass[:, None], self.sums))


def in_own_precision(method):
    """Run a method outside autocast in the codewords' dtype.

    Lower precision picks other codewords.
    """

    @functools.wraps(method)
    def run(self, x: Tensor, *args, **kwargs):
        with torch.autocast(x.device.type, enabled=False):
            return method(self, x.to(self.codebooks[0].codewords.dtype) if x.is_floating_point() else x, *args, **kwargs)

    return run


class ResidualVQ(nn.Module):
    """Quantises vectors by a sum of codewords, one a stage.

    Each stage codes the residual of the earlier ones.

    SoundStream (Zeghidour et al. 2021, section III-C); codebooks by van den Oord et al. 2017, appendix A.1.

    Args:
        dim: D, numbers in a vector.
        n_stages: K, codebooks.
        vocab: V, codewords in each.
        decay: g of the moving average, 0 < g < 1.
        beta: weight of the commitment loss in `loss`.
        update: "ema"; "gradient" for the original objective (codebook loss + beta * commitment loss); or "fixed": the codewords
            do not change, and there are no moving averages, which double the memory.
        lookup_dim: dimensions of the L2-normalised projections that each stage compares; None compares the vectors themselves.
        stage_dims: for each stage, how many of the D numbers, counted from the last, it codes; the others stay in the residual
            for a later stage. None for all.
        kmeans_steps: Lloyd iterations on the first training batch; 0 keeps the random codewords.
        restart_below: a codeword whose mass is below this share of the stage's mean mass is moved to a random vector.
        restart_every: training steps between two checks for such codewords; 0 for never.

    Raises:
        ValueError: an unknown update, or stage_dims of another length or out of range.
    """

    def __init__(
        self, dim: int, n_stages: int, vocab: int, *, decay: float = 0.99, beta: float = 0.25, update: str = "ema",
        lookup_dim: int | None = None, stage_dims: tuple[int, ...] | None = None, kmeans_steps: int = 10,
        restart_below: float = 0.05, restart_every: int = 20,
    ):
        super().__init__()
        if update not in ("ema", "gradient", "fixed"):
            raise ValueError(f"update is 'ema' or 'gradient', or 'fixed' for none; not {update!r}")
        stage_dims = stage_dims or (dim,) * n_stages
        if len(stage_dims) != n_stages or not all(1 <= seen <= dim for seen in stage_dims):
            raise ValueError(f"stage_dims is {n_stages} numbers from 1 to {dim}, not {stage_dims}")
        self.dim, self.n_stages, self.vocab, self.beta = dim, n_stages, vocab, beta
        self.updated_by = update
        self.kmeans_steps, self.restart_below, self.restart_every = kmeans_steps, restart_below, restart_every
        projected = lookup_dim is not None
        self.codebooks = nn.ModuleList(
            Codebook(lookup_dim or seen, vocab, decay, projected, update) for seen in stage_dims
        )
        project = (lambda i, o: nn.Linear(i, o)) if projected else (lambda i, o: nn.Identity())
        self.project_in = nn.ModuleList(project(seen, lookup_dim) for seen in stage_dims)
        self.project_out = nn.ModuleList(project(lookup_dim, seen) for seen in stage_dims)
        self.projected, self.stage_dims = projected, tuple(stage_dims)
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self._step = None

    # --- encoding and decoding -------------------------------------------------------------------------------------

    @torch.no_grad()
    @in_own_precision
    def encode(self, x: Tensor, n_stages: int | None = None, beam: int = 1) -> Tensor:
        """Encode vectors x [B, D, *grid] as ids [B, n, *grid].

        Args:
            x: [B, D, *grid].
            n_stages: n, 1 to K; None for all.
            beam: paths kept for each vector; 1 is greedy. With all n stages summed, the error is never above the greedy one; with
                a prefix of them it can be.

        Raises:
            ValueError: n_stages or beam out of range.
        """
        n = self.n_stages if n_stages is None else n_stages
        if not 1 <= n <= self.n_stages or beam < 1:
            raise ValueError(f"n_stages is 1 to {self.n_stages} and beam 1 or more, not {n} and {beam}")
        vectors, grid = _flatten(x)
        ids = self._greedy(vectors, n)
        if beam > 1:
            parts = zip(vectors.split(BEAM_ROWS_AT_ONCE), ids.split(BEAM_ROWS_AT_ONCE), strict=True)
            ids = torch.cat([self._beam_search(part, greedy, beam) for part, greedy in parts])
        return _unflatten(ids, grid)

    def _greedy(self, residual: Tensor, n: int) -> Tensor:
        """[n, D] -> ids [n, stages]."""
        ids = []
        for j in range(n):
            ids.append(nearest(self._project(residual, j), self.codebooks[j].table()))
            residual = residual - self.vectors_of(ids[j], j)
        return torch.stack(ids, 1)

    def _beam_search(self, vectors: Tensor, greedy: Tensor, beam: int) -> Tensor:
        """Beam search for codewords: [n, D] -> ids [n, stages].

        The greedy path can drop out of the beam and still end nearer, so the result is the better of the two.
        """
        residuals, paths = vectors[:, None], greedy.new_empty(len(vectors), 1, 0)
        every = torch.arange(self.vocab, device=vectors.device)
        for j in range(greedy.shape[1]):
            words = self.vectors_of(every, j)
            errors = squared_distances(residuals.flatten(0, 1), words, whole=True).view(len(vectors), -1)
            best = errors.topk(min(beam, errors.shape[1]), largest=False).indices
            parent, chosen = best // self.vocab, best % self.vocab
            residuals = residuals.gather(1, parent[..., None].expand(-1, -1, self.dim)) - words[chosen]
            kept = paths.gather(1, parent[..., None].expand(-1, -1, j))
            paths = torch.cat([kept, chosen[..., None]], dim=-1)
        greedy_error, beam_error = ((vectors - self.decode(ids)).square().sum(-1) for ids in (greedy, paths[:, 0]))
        return torch.where((beam_error < greedy_error)[:, None], paths[:, 0], greedy)

    @in_own_precision
    def decode(self, ids: Tensor, stages=None) -> Tensor:
        """Sum the codewords of ids [B, n, *grid]: [B, D, *grid].

        Args:
            ids: of the first n stages.
            stages: stages to sum, counted from 0; None for all n.

        Raises:
            IndexError: an index or a stage out of range (on a CPU).
        """
        grid = ids.shape[2:]
        chosen = range(ids.shape[1]) if stages is None else stages
        total = ids.new_zeros(ids.shape[0], *grid, self.dim, dtype=self.codebooks[0].codewords.dtype)
        for j in chosen:
            total = total + self.vectors_of(ids[:, j], j)
        return total.movedim(-1, 1)

    def vectors_of(self, ids: Tensor, stage: int) -> Tensor:
        """The vectors [..., D] of a stage's indices [...]."""
        return self._widened(self.project_out[stage](F.embedding(ids, self.codebooks[stage].table())), stage)

    @torch.no_grad()
    @in_own_precision
    def nearest_words(self, vector: Tensor, ids: Tensor, stage: int, count: int) -> tuple[Tensor, Tensor]:
        """The `count` codewords of a stage nearest to the residual of `vector` [D].

        Args:
            vector: [D].
            ids: int [K]; those of the earlier stages are subtracted.
            stage: counted from 0.
            count: 1 to vocab.

        Returns:
            ids [count] and Euclidean distances [count] in the look-up's space, nearest first.
        """
        residual = vector - sum((self.vectors_of(ids[i], i) for i in range(stage)), torch.zeros_like(vector))
        squared = squared_distances(self._project(residual[None], stage), self.codebooks[stage].table(), whole=True)[0]
        nearest_ones = squared.clamp_min(0).sqrt().topk(count, largest=False)
        return nearest_ones.indices, nearest_ones.values

    def _widened(self, vectors: Tensor, j: int) -> Tensor:
        """[..., stage_dims[j]] -> [..., D], zero in the dimensions that stage j does not code."""
        hidden = self.dim - self.stage_dims[j]
        return F.pad(vectors, (hidden, 0)) if hidden else vectors

    def _project(self, residual: Tensor, j: int) -> Tensor:
        hidden = self.dim - self.stage_dims[j]
        projected = self.project_in[j](residual[..., hidden:] if hidden else residual)
        return F.normalize(projected, dim=-1) if self.projected else projected

    # --- training --------------------------------------------------------------------------------------------------

    @in_own_precision
    def forward(self, x: Tensor, valid: Tensor | None = None, n_stages: Tensor | None = None) -> Quantised:
        """Quantise x [B, D, *grid]; in training mode the codebooks take one step.

        Args:
            x: [B, D, *grid].
            valid: bool [B, *grid]; other vectors, whatever they contain, affect no codebook, loss or statistic, and their output
                and gradient are zero.
            n_stages: int [B], quantiser dropout: item b uses its first n_stages[b] stages, 1 to K; None for all. Ids of unused
                stages have no meaning.

        Raises:
            ValueError: the first training batch has no valid vector for k-means.
        """
        vectors, grid = _flatten(x)
        if valid is not None:
            vectors = torch.where(valid.reshape(-1, 1), vectors, 0)  # not a product: NaN * 0 is NaN
        active = self._active(vectors, valid, n_stages, len(x))
        step = self._next_step() if self.training else 0
        if step == 1 and self.kmeans_steps and self.updated_by != "fixed":
            self._initialise(vectors.detach() if valid is None else vectors.detach()[valid.flatten()])
        restart = step > 0 and self.restart_every > 0 and step % self.restart_every == 0
        residual, total = vectors, torch.zeros_like(vectors)
        ids, counts, commitment, codebook_loss = [], [], [], []
        for j in range(self.n_stages):
            projected = self._project(residual, j)
            table = self.codebooks[j].table()
            ids.append(nearest(projected, table))
            words = F.embedding(ids[j], table)
            commitment.append((projected - words.detach()).square().mean(-1))
            if self.updated_by == "gradient":
                codebook_loss.append((words - projected.detach()).square().mean(-1))
            counts.append(active.new_zeros(self.vocab).index_add_(0, ids[j], active[j]))
            if self.training and self.updated_by == "ema":
                self.codebooks[j].update(projected.detach() * active[j][:, None], ids[j], counts[j])
                if restart:
                    self._restart(self.codebooks[j], projected.detach(), active[j])
            # With a look-up the straight-through gradient passes through the projections; without, it skips the stages.
            out = self.project_out[j](_straight_through(projected, words)) if self.projected else words.detach()
            out = self._widened(out * active[j][:, None], j)
            residual, total = residual - out, total + out
        share = torch.stack(counts) / active.sum(1, keepdim=True).clamp_min(1)
        return Quantised(
            quantised=_unflatten(total if self.projected else _straight_through(vectors, total), grid),
            ids=_unflatten(torch.stack(ids, 1), grid),
            commitment_loss=_masked_mean(commitment, active),
            codebook_loss=_masked_mean(codebook_loss, active) if codebook_loss else share.new_zeros(()),
            perplexity=torch.special.entr(share).sum(1).exp(),
            usage=(share > 0).to(share.dtype).mean(1),
        )

    def loss(self, result: Quantised) -> Tensor:
        """The quantiser's training loss: codebook + beta * commitment (equation 3)."""
        return result.codebook_loss + self.beta * result.commitment_loss

    def _active(self, vectors: Tensor, valid: Tensor | None, n_stages: Tensor | None, batch: int) -> Tensor:
        """[K, B * cells], 1 where a vector is valid and its item uses the stage, else 0."""
        cells = len(vectors) // batch
        active = torch.ones(self.n_stages, len(vectors), dtype=torch.bool, device=vectors.device)
        if valid is not None:
            active = active & valid.flatten()
        if n_stages is not None:
            stages = torch.arange(self.n_stages, device=vectors.device)
            active = active & (n_stages.repeat_interleave(cells) > stages[:, None])
        return active.to(vectors.dtype)

    def _next_step(self) -> int:
        """The number of this training step, from 1. Counted here too, because reading `steps` waits for the GPU."""
        if self._step is None:
            self._step = int(self.steps)
        self._step += 1
        self.steps += 1
        return self._step

    def _load_from_state_dict(self, *args, **kwargs) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._step = None  # `steps` has changed

    @torch.no_grad()
    def _initialise(self, residual: Tensor) -> None:
        """k-means on the valid vectors [n, D] of the first training batch, each stage on the residual.

        With several processes, all use the first one's codebooks.
        """
        if len(residual) == 0:
            raise ValueError("The first training batch holds no valid vector for k-means to start from.")
        everything = torch.ones(self.vocab, dtype=torch.bool, device=residual.device)
        for j, codebook in enumerate(self.codebooks):
            projected = self._project(residual, j)
            centres, counts = kmeans(projected, self.vocab, self.kmeans_steps, self.projected)
            _from_first_process(centres)
            _from_first_process(counts)
            codebook.place(everything, centres, counts)
            residual = residual - self.vectors_of(nearest(projected, codebook.table()), j)

    @torch.no_grad()
    def _restart(self, codebook: Codebook, vectors: Tensor, active: Tensor) -> None:
        """Move rarely used codewords to random active vectors of [n, D]; all processes use the first one's."""
        anyone = active.sum() > 0
        among = torch.where(anyone, active, 1.0)  # multinomial needs a weight above 0
        chosen = vectors[torch.multinomial(among, self.vocab, replacement=True)]
        mean_mass = codebook.mass.mean()
        dead = (codebook.mass < self.restart_below * mean_mass) & anyone
        _from_first_process(chosen)
        _from_first_process(dead)
        codebook.place(dead, chosen, mean_mass)


def squared_distances(vectors: Tensor, table: Tensor, whole: bool = False) -> Tensor:
    """Squared distances [n, V] of vectors [n, D] to a table [V, D].

    Less |vector|^2, which does not change the order, unless `whole`.
    """
    squares = table.square().sum(-1, keepdim=True)
    if not whole:
        return torch.addmm(squares.T, vectors, table.T, alpha=-2)
    mine = vectors.square().sum(-1, keepdim=True)  # both squares are part of the product: a pass over [n, V] costs as much
    return torch.cat([vectors, mine, torch.ones_like(mine)], 1) @ torch.cat([-2 * table, torch.ones_like(squares), squares], 1).T


@torch.no_grad()
def nearest(vectors: Tensor, table: Tensor) -> Tensor:
    """Index [n] of the codeword of `table` [V, D] nearest to each vector [n, D].

    The first in a tie.
    """
    if vectors.device.type != "cpu":
        return squared_distances(vectors, table).argmin(-1)
    # In parts whose distances fit into the cache, and in the same memory: the distances of all vectors at once would be
    # written to main memory and read back (benchmarks/rvq.py).
    squares = table.square().sum(-1)
    memory = vectors.new_empty(min(ROWS_AT_ONCE, len(vectors)), len(table))
    ids = [
        _first_minimum(torch.addmm(squares, part, table.T, alpha=-2, out=memory[: len(part)]))
        for part in vectors.split(ROWS_AT_ONCE)
    ]
    return torch.cat(ids)


def _first_minimum(distances: Tensor) -> Tensor:
    """argmin over the last dimension of contiguous [n, V], more than twice as fast on a CPU.

    On a CPU `amin` uses vector instructions and `argmin` does not: so first find the group of columns with the minimum, then
    the column in that group. Both take the first in a tie.
    """
    n, columns = distances.shape
    if columns % COLUMNS_IN_GROUP:
        return distances.argmin(-1)
    groups = columns // COLUMNS_IN_GROUP
    group = distances.view(n, groups, COLUMNS_IN_GROUP).amin(-1).argmin(-1)
    rows = torch.arange(n) * groups + group
    within = distances.view(-1, COLUMNS_IN_GROUP).index_select(0, rows).argmin(-1)
    return group * COLUMNS_IN_GROUP + within


def kmeans(vectors: Tensor, n_clusters: int, n_steps: int, normalise: bool = False) -> tuple[Tensor, Tensor]:
    """Lloyd's algorithm from random vectors [n, D].

    Returns centres [n_clusters, D] and the number of vectors of each.
    """
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


def _straight_through(source: Tensor, value: Tensor) -> Tensor:
    """`value`, bit for bit, with its gradient passed to `source` unchanged."""
    return value.detach() + (source - source.detach())


def _masked_mean(errors: list[Tensor], active: Tensor) -> Tensor:
    """K errors [n], active [K, n] -> the mean over stages of each one's mean over its active vectors (0 if none)."""
    return ((torch.stack(errors) * active).sum(1) / active.sum(1).clamp_min(1)).mean()


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
