"""How good a prior is: bits per code, what the judges say of new clips, how near they are to the training clips, and how well it
fills a hole. Everything that is compared has gone through the codec, so that the prior alone is measured."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torchaudio
from torch import Tensor

from vqaudio.codec import Codec
from vqaudio.codes import Codes
from vqaudio.critics import critic_for
from vqaudio.data.batches import in_order, pad
from vqaudio.data.clips import Split
from vqaudio.data.encoded import EncodedSplit
from vqaudio.evaluation.holes import interpolated, middle_hole, repeat_last, silenced
from vqaudio.evaluation.metrics import cents_apart, magnitudes, pitch_hz
from vqaudio.judges import Judge
from vqaudio.prior import Prior
from vqaudio.progress import bar

BATCH = 50
CELLS = 60_000  # of more, a pseudo-likelihood, which takes many passes, is measured on clips drawn at random


@dataclass(frozen=True)
class Heard:
    """Clips and what they should be: sounds [n] each, wanted positions of labels by kind."""

    sounds: list[Tensor]
    wanted: dict[str, Tensor]


# Likelihood


@dataclass(frozen=True)
class Bits:
    """Mean -log2 p of a cell, in all and in each row, with the standard error of the first over so many clips."""

    mean: float
    per_row: list[float]
    standard_error: float
    clips: int


@torch.no_grad()
def bits_per_code(prior: Prior, clips: EncodedSplit, labels: dict[str, tuple[str, ...]], cells: int = CELLS) -> Bits:
    """Told the labels; exact or pseudo, as `prior.likelihood` says.

    Args:
        cells: a pseudo-likelihood is measured on clips that together have about so many at the most, always the same.
    """
    totals, columns = [], []
    for codes, told in _code_batches(prior, clips, labels, sample(clips, cells) if prior.likelihood == "pseudo" else None):
        totals.append(-prior.log_prob(codes, told).sum(2).cpu() / math.log(2))
        columns.append(codes.valid.sum(1).cpu())
    totals, columns = torch.cat(totals), torch.cat(columns)
    per_row, n = totals.sum(0) / columns.sum(), len(columns)
    unlike = totals.mean(1) - per_row.mean() * columns  # of a ratio of sums: Cochran 1977, equation 6.13
    error = math.sqrt(n / max(1, n - 1) * float(unlike.square().sum())) / float(columns.sum())
    return Bits(float(per_row.mean()), per_row.tolist(), error, n)


def sample(clips: EncodedSplit, cells: int) -> list[int]:
    """Numbers of clips that together have at most so many cells, or of one clip; drawn at random, always the same; or of all."""
    order = torch.randperm(len(clips), generator=torch.Generator().manual_seed(0)).tolist()
    so_far = itertools.accumulate(clips.ids[i].numel() for i in order)
    return order[: max(1, sum(n <= cells for n in so_far))]


def _code_batches(prior: Prior, clips: EncodedSplit, labels, of=None) -> Iterator[tuple[Codes, dict[str, list[str]]]]:
    order = sorted(range(len(clips)) if of is None else of, key=lambda i: clips.ids[i].shape[1])
    with bar("reading", len(order), " clips") as progress:
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            ids, valid, told = clips.batch(chosen)
            levels = None if clips.levels_db is None else clips.levels_db[chosen]
            words = {kind: [(*values, None)[i] for i in told[:, n]] for n, (kind, values) in enumerate(labels.items())}
            yield Codes(ids, prior.spec, clips.lengths[chosen].long(), valid, levels), words
            progress.update(len(chosen))


# Generation


def generate_evenly(codec: Codec, prior: Prior, n: int, generator: torch.Generator, **sampling) -> tuple[Heard, list[Tensor]]:
    """n new clips, every combination of labels that the training clips have in turn, and their code maps [K, T].

    Where there are more combinations than clips, they are drawn at random.
    """
    kinds = list(prior.labels)
    combinations = prior.example_labels.cpu().long().unique(dim=0)
    if n < len(combinations):
        combinations = combinations[torch.randperm(len(combinations), generator=generator)]
    wanted = combinations[torch.arange(n) % len(combinations)]
    sounds, maps = [], []
    with bar("generating", n, " clips") as progress:
        for start in range(0, n, BATCH):
            part = wanted[start : start + BATCH]
            told = {kind: [(*prior.labels[kind], None)[i] for i in part[:, k]] for k, kind in enumerate(kinds)}
            blank = prior.blank(told, generator=generator)
            mask = blank.valid[:, None].expand(blank.ids.shape)
            codes = prior.fill(blank, mask, told, generator=generator, critic=critic_for(codec, prior, told), **sampling)
            sounds += _cut(codec.decode(codes), codes.lengths)
            maps += [ids[:, valid] for ids, valid in zip(codes.ids, codes.valid)]
            progress.update(len(part))
    return Heard(sounds, {kind: wanted[:, k] for k, kind in enumerate(kinds)}), maps


def decoded(codec: Codec, split: Split) -> Heard:
    """What the codec makes of a split's clips."""
    sounds, wanted = [], {kind: [] for kind in split.labels}
    for batch in in_order(split, BATCH):
        sounds += _cut(codec.decode(codec.encode(batch.audio, batch.lengths)), batch.lengths)
        for kind in wanted:
            wanted[kind] += batch.labels[kind].tolist()
    return Heard(sounds, {kind: torch.tensor(values) for kind, values in wanted.items()})


def _cut(sound: Tensor, lengths: Tensor) -> list[Tensor]:
    return [clip[0, :length].cpu() for clip, length in zip(sound, lengths.tolist())]


@torch.no_grad()
def embeddings(judge: Judge, sounds: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The judge's embeddings [n, D] and logits [n, classes] of clips."""
    order = sorted(range(len(sounds)), key=lambda i: len(sounds[i]))
    found, said = {}, {}
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        vectors = judge.embed(*pad([sounds[i] for i in chosen]))
        for i, vector, logits in zip(chosen, vectors, judge.head(vectors)):
            found[i], said[i] = vector, logits
    return torch.stack([found[i] for i in range(len(sounds))]), torch.stack([said[i] for i in range(len(sounds))])


def frechet(a: Tensor, b: Tensor) -> float:
    """The Fréchet distance of two sets of vectors [n, D], each taken as a Gaussian (Heusel et al. 2017, equation 6)."""
    a, b = a.double(), b.double()
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp_min(0).sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross)


def pitch_right(sounds: list[Tensor], sample_rate: int, midi: list[int]) -> float:
    """The share of notes that sound within 50 cents of these MIDI numbers; one whose pitch cannot be told does not."""
    wanted = [440.0 * 2 ** ((number - 69) / 12) for number in midi]
    right = [cents_apart(pitch_hz(sound, sample_rate), hz) <= 50 for sound, hz in zip(sounds, wanted)]
    return sum(right) / len(right)


def spread(vectors: Tensor, wanted: dict[str, Tensor]) -> float | None:
    """Diversity: the mean distance between the embeddings [n, D] of two clips with the same labels; None: there are no two."""
    same = torch.ones(len(vectors), len(vectors), dtype=torch.bool).triu(1)
    for values in wanted.values():
        same &= values[:, None] == values[None]
    return float(torch.cdist(vectors, vectors)[same].mean()) if same.any() else None


def nearest(maps: list[Tensor], training: list[Tensor]) -> Tensor:
    """For each code map [K, T] the share of cells that differ from the nearest training map's; missing columns differ. [n]"""
    columns = max(ids.shape[1] for ids in [*maps, *training])
    book = torch.full((len(training), training[0].shape[0], columns), -1, dtype=torch.short)
    for row, ids in zip(book, training):
        row[:, : ids.shape[1]] = ids
    lengths = torch.tensor([ids.shape[1] for ids in training])
    found = []
    for ids in maps:
        same = (book[:, :, : ids.shape[1]] == ids.short()).sum((1, 2))
        cells = ids.shape[0] * lengths.clamp_min(ids.shape[1])
        found.append(1 - (same / cells).max())
    return torch.stack(found)


# Inpainting


def inpainting(
    codec: Codec, priors: list[Prior], clips: EncodedSplit, judges: list[Judge], generator,
    hole_s: float | None = None, bands: tuple[float, float] | None = None, **sampling,
):
    """Rows of the inpainting table: the original, three baselines and each prior; each a dict of scores.

    Silence is no sound for a hole in all bands, and the codes of silence for one in some of them. A prior that
    knows labels fills twice: not told any, and told the clip's own, as one who knows what was said can tell it.

    mel_l1: mean difference of log10 mel magnitudes in the hole. seam: mean jump of the log10 mel spectrum over the hole's two
    edges, 10 ms on either side; the original's shows what is natural.
    """
    sounds: dict[str, list[Tensor]] = {}
    holes, wanted = [], []
    labels = priors[0].labels
    tells = bool((clips.labels < torch.tensor([len(values) for values in labels.values()])).any())
    for codes, words in _code_batches(priors[0], clips, labels):
        mask = middle_hole(codes, hole_s, bands)
        inside = mask.any(1).repeat_interleave(codec.hop, dim=-1)
        holes += [tuple(h.nonzero()[[0, -1], 0].tolist()) for h in inside]
        wanted.append(priors[0].label_ids(words, len(codes)))
        original = codec.decode(codes)
        silent = codec.decode(silenced(codec, codes, mask)) if bands else original * ~inside[:, None, : original.shape[-1]]
        versions = {"original": original, "silence": silent, "last column": codec.decode(repeat_last(codes, mask))}
        versions["interpolation from the edges"] = codec.decode(interpolated(codec, codes, mask))
        for prior in priors:
            for name, told in ((prior.name, None), (f"{prior.name}, with labels", words))[: 1 + tells]:
                versions[name] = codec.decode(prior.fill(codes, mask, told, generator=generator, **sampling))
        for name, sound in versions.items():
            sounds.setdefault(name, []).extend(_cut(sound, codes.lengths))
    wanted = torch.cat(wanted)
    rows = []
    for name, heard in sounds.items():
        row = {"name": name}
        for judge in judges:
            asked = wanted[:, list(labels).index(judge.config.target)]
            known = asked < len(labels[judge.config.target])
            row[judge.config.target] = float((embeddings(judge, heard)[1].argmax(-1) == asked)[known].float().mean())
        scores = [_hole_scores(a, b, hole, codec.sample_rate) for a, b, hole in zip(sounds["original"], heard, holes)]
        row["mel_l1"], row["seam"] = (sum(values) / len(values) for values in zip(*scores))
        rows.append(row)
    return rows


def _hole_scores(original: Tensor, heard: Tensor, hole: tuple[int, int], rate: int) -> tuple[float, float]:
    first, last = hole[0], min(hole[1], len(original) - 1)
    a, b = (_log_mel(clip, 512 * rate // 8000, rate) for clip in (original, heard))
    hop = 128 * rate // 8000
    frames = slice(first // hop, last // hop + 1)
    mel_l1 = float((a[:, frames] - b[:, frames]).abs().mean())
    fine, hop, jumps = _log_mel(heard, 160 * rate // 8000, rate), 40 * rate // 8000, []
    for edge in (first, last + 1):
        at = round(edge / hop)
        if 2 <= at < fine.shape[1] - 2:
            jumps.append(float((fine[:, at + 2] - fine[:, at - 2]).abs().mean()))
    return mel_l1, sum(jumps) / max(1, len(jumps))


def _log_mel(clip: Tensor, n_fft: int, rate: int) -> Tensor:
    """[N] -> log10 mel magnitudes [bands, frames], hop n_fft / 4."""
    bands = 64 if n_fft >= 512 else 24
    mel = torchaudio.functional.melscale_fbanks(n_fft // 2 + 1, 0.0, rate / 2, bands, rate)
    return (mel.T @ magnitudes(clip, n_fft)).clamp_min(1e-4).log10()
