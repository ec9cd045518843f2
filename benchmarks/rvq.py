"""Speed of the quantiser on one CPU thread, against the floor and other libraries.

The floor is the lower limit of any quantiser of this kind: this machine's matrix product for the distances alone, [vectors, dim]
by [dim, vocab] once per stage, into memory that is already allocated. "plain" is the textbook loop: addmm, argmin, subtract.
Other libraries are left out if they are not installed (tests/requirements.txt has them).

    python -m benchmarks.rvq --json benchmarks/results/rvq.json
"""

from collections.abc import Callable
from pathlib import Path

import torch
import tyro
from torch import Tensor

from benchmarks.measure import cpu_times, table, write_json
from vqaudio.nn.rvq import ResidualVQ


def main(
    batch: int = 16, frames: int = 500, dim: int = 128, vocab: int = 1024, stages: tuple[int, ...] = (8, 32),
    beam: int = 4, repeats: int = 5, seed: int = 0, json: Path | None = None,
) -> None:
    """Quantise `batch` x `frames` vectors and print CPU times relative to the floor.

    Args:
        batch: items in a batch.
        frames: vectors in an item.
        dim: dimension of a vector.
        vocab: codewords per stage.
        stages: the numbers of stages to measure.
        beam: paths kept in the beam search.
        repeats: runs of each contestant; the median counts.
        seed: of the vectors and of the codebooks' initialisation.
        json: also write the numbers to this file.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    sizes = {"batch": batch, "frames": frames, "dim": dim, "vocab": vocab, "repeats": repeats}
    results = {**sizes, "cpu_s": {}, "over_floor": {}}
    for n_stages in stages:
        quantiser = fitted(torch.randn(batch, dim, frames), n_stages, vocab)
        x = torch.randn(batch, dim, frames)
        times = cpu_times(contestants(x, quantiser, beam), repeats)
        ratios = {name: seconds / times["floor"] for name, seconds in times.items()}
        results["cpu_s"][n_stages] = {name: round(seconds, 5) for name, seconds in times.items()}
        results["over_floor"][n_stages] = {name: round(ratio, 3) for name, ratio in ratios.items()}
        rows = [(name, f"{times[name] * 1e3:.1f}", f"{ratios[name]:.2f}") for name in times]
        print(f"\n{n_stages} stages\n{table(('', 'CPU ms', 'over the floor'), rows)}")
    write_json(json, results)


def fitted(x: Tensor, n_stages: int, vocab: int) -> ResidualVQ:
    """A quantiser with codebooks fitted to vectors x [B, D, T] by k-means."""
    quantiser = ResidualVQ(x.shape[1], n_stages, vocab, kmeans_steps=2)
    quantiser(x)
    return quantiser


def contestants(x: Tensor, quantiser: ResidualVQ, beam: int) -> dict[str, Callable[[], object]]:
    """Name -> operation to time. All start with the codewords of `quantiser`."""
    vectors = x.movedim(1, -1).reshape(-1, x.shape[1])
    tables = [codebook.codewords.clone() for codebook in quantiser.codebooks]
    product = vectors.new_empty(len(vectors), quantiser.vocab)
    trained = ResidualVQ(quantiser.dim, quantiser.n_stages, quantiser.vocab)
    trained.load_state_dict(quantiser.state_dict())
    runs = {
        "floor": lambda: [torch.mm(vectors, words.T, out=product) for words in tables],
        "plain addmm + argmin, encode": lambda: plain(vectors, tables),
        "vqaudio, encode": lambda: quantiser.encode(x),
        f"vqaudio, encode, beam {beam}": lambda: quantiser.encode(x, beam=beam),
        "vqaudio, training step": lambda: ours_step(trained, x),
    }
    for library in (lucidrains, encodec):
        try:
            runs |= library(x, tables)
        except ImportError as error:
            print(f"left out: {error}")
    return runs


@torch.no_grad()
def plain(vectors: Tensor, tables: list[Tensor]) -> Tensor:
    """Ids [n, K] by the textbook loop."""
    ids = []
    for words in tables:
        ids.append(torch.addmm(words.square().sum(-1), vectors, words.T, alpha=-2).argmin(-1))
        vectors = vectors - words[ids[-1]]
    return torch.stack(ids, -1)


def step(x: Tensor, quantise: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
    """The quantiser's forward and backward pass in a training step."""
    x = x.clone().requires_grad_()
    quantised, loss = quantise(x)
    (quantised.sum() + loss).backward()
    return x.grad


def ours_step(quantiser: ResidualVQ, x: Tensor) -> Tensor:
    def quantise(x):
        result = quantiser(x)
        return result.quantised, quantiser.loss(result)

    return step(x, quantise)


def lucidrains(x: Tensor, tables: list[Tensor]) -> dict[str, Callable[[], object]]:
    """vector-quantize-pytorch, channels last, defaults except for the decay."""
    from vector_quantize_pytorch import ResidualVQ as Theirs

    theirs = Theirs(dim=x.shape[1], num_quantizers=len(tables), codebook_size=len(tables[0]), decay=0.99)
    for layer, words in zip(theirs.layers, tables, strict=True):
        layer._codebook.embed.data.copy_(words[None])
        layer._codebook.embed_avg.data.copy_(words[None])
        layer._codebook.cluster_size.data.fill_(1)
    rows = x.movedim(1, -1).contiguous()

    def quantise(rows):
        quantised, _, losses = theirs.train()(rows)
        return quantised, losses.sum()

    return {
        "vector-quantize-pytorch, encode": torch.no_grad()(lambda: theirs.eval()(rows)),
        "vector-quantize-pytorch, training step": lambda: step(rows, quantise),
    }


def encodec(x: Tensor, tables: list[Tensor]) -> dict[str, Callable[[], object]]:
    """encodec's quantiser without its restart of dead codes."""
    from encodec.quantization.core_vq import ResidualVectorQuantization

    theirs = ResidualVectorQuantization(
        num_quantizers=len(tables), dim=x.shape[1], codebook_size=len(tables[0]), kmeans_init=False,
        threshold_ema_dead_code=0,
    )
    for layer, words in zip(theirs.layers, tables, strict=True):
        layer._codebook.embed.copy_(words)
        layer._codebook.embed_avg.copy_(words)
        layer._codebook.cluster_size.fill_(1)

    def quantise(x):
        quantised, _, losses = theirs.train()(x)
        return quantised, losses.sum()

    return {
        "encodec, encode": torch.no_grad()(lambda: theirs.eval().encode(x)),
        "encodec, training step": lambda: step(x, quantise),
    }


if __name__ == "__main__":
    tyro.cli(main)
