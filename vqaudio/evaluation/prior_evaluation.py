"""Evaluation of priors: bits per code, judged samples, novelty and gap filling.

Everything that is compared has passed through the codec, so that only the prior is measured.
"""

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
CELLS = 60_000  # measure a pseudo-likelihood, which takes many passes, on a random sample of this size


@dataclass(frozen=True)
class LabelledSounds:
    """Audio clips with their labels: sounds [n] each, and label indices by kind."""

    sounds: list[Tensor]
    wanted: dict[str, Tensor]


# Likelihood


@dataclass(frozen=True)
class Bits:
    """Mean -log2 p per cell, over all rows and by row, with its standard error."""

    mean: float
    per_row: list[float]
    standard_error: float
    clips: int


@torch.no_grad()
def bits_per_code(prior: Prior, clips: EncodedSplit, labels: dict[str, tuple[str, ...]], cells: int = CELLS) -> Bits:
    """Measure a prior's bits per code, given the labels.

    Args:
        prior: exact or pseudo-likelihood, as `prior.likelihood` says.
        clips: the codes.
        labels: for each kind of label, its values.
        cells: the most cells of clips to measure a pseudo-likelihood on, always the same ones.
    """
    totals, columns = [], []
    for codes, words in _code_batches(prior, clips, labels, sample(clips, cells) if prior.likelihood == "pseudo" else None):
        totals.append(-prior.log_prob(codes, words).sum(2).cpu() / math.log(2))
        columns.append(codes.valid.sum(1).cpu())
    totals, columns = torch.cat(totals), torch.cat(columns)
    per_row, n = totals.sum(0) / columns.sum(), len(columns)
    unlike = totals.mean(1) - per_row.mean() * columns  # variance of a ratio of sums: Cochran 1977, equation 6.13
    error = math.sqrt(n / max(1, n - 1) * float(unlike.square().sum())) / float(columns.sum())
    return Bits(float(per_row.mean()), per_row.tolist(), error, n)


def sample(clips: EncodedSplit, cells: int) -> list[int]:
    """Choose random clips with at most this many cells, always the same ones."""
    order = torch.randperm(len(clips), generator=torch.Generator().manual_seed(0)).tolist()
    so_far = itertools.accumulate(clips.ids[i].numel() for i in order)
    return order[: max(1, sum(n <= cells for n in so_far))]


def _code_batches(prior: Prior, clips: EncodedSplit, labels, of=None) -> Iterator[tuple[Codes, dict[str, list[str]]]]:
    order = sorted(range(len(clips)) if of is None else of, key=lambda i: clips.ids[i].shape[1])
    with bar("reading", len(order), " clips") as progress:
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            ids, valid, label_ids = clips.batch(chosen)
            levels = None if clips.levels_db is None else clips.levels_db[chosen]
            words = {kind: [(*values, None)[i] for i in label_ids[:, n]] for n, (kind, values) in enumerate(labels.items())}
            yield Codes(ids, prior.spec, clips.lengths[chosen].long(), valid, levels), words
            progress.update(len(chosen))


# Generation


def generate_evenly(
    codec: Codec, prior: Prior, n: int, generator: torch.Generator, **sampling
) -> tuple[LabelledSounds, list[Tensor]]:
    """Generate n clips, cycling through the label combinations of the training clips.

    With more combinations than clips, they are drawn at random.

    Args:
        codec: decodes the clips.
        prior: generates their codes.
        n: number of clips.
        generator: of the random numbers.
        sampling: options of `prior.fill`.

    Returns:
        the clips with their labels, and their code maps [K, T].
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
            words = {kind: [(*prior.labels[kind], None)[i] for i in part[:, k]] for k, kind in enumerate(kinds)}
            blank = prior.blank(words, generator=generator)
            mask = blank.valid[:, None].expand(blank.ids.shape)
            codes = prior.fill(blank, mask, words, generator=generator, critic=critic_for(codec, prior, words), **sampling)
            sounds += _cut(codec.decode(codes), codes.lengths)
            maps += [ids[:, valid] for ids, valid in zip(codes.ids, codes.valid)]
            progress.update(len(part))
    return LabelledSounds(sounds, {kind: wanted[:, k] for k, kind in enumerate(kinds)}), maps


def decoded(codec: Codec, split: Split) -> LabelledSounds:
    """Encode and decode a split's clips."""
    sounds, wanted = [], {kind: [] for kind in split.labels}
    for batch in in_order(split, BATCH):
        sounds += _cut(codec.decode(codec.encode(batch.audio, batch.lengths)), batch.lengths)
        for kind in wanted:
            wanted[kind] += batch.labels[kind].tolist()
    return LabelledSounds(sounds, {kind: torch.tensor(values) for kind, values in wanted.items()})


def _cut(sound: Tensor, lengths: Tensor) -> list[Tensor]:
    return [clip[0, :length].cpu() for clip, length in zip(sound, lengths.tolist())]


@torch.no_grad()
def embeddings(judge: Judge, sounds: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the judge's embeddings [n, D] and logits [n, classes] of clips."""
    order = sorted(range(len(sounds)), key=lambda i: len(sounds[i]))
    found, said = {}, {}
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        vectors = judge.embed(*pad([sounds[i] for i in chosen]))
        for i, vector, logits in zip(chosen, vectors, judge.head(vectors)):
            found[i], said[i] = vector, logits
    return torch.stack([found[i] for i in range(len(sounds))]), torch.stack([said[i] for i in range(len(sounds))])


def frechet(a: Tensor, b: Tensor) -> float:
    """Fréchet distance of two sets of vectors [n, D], each modelled as a Gaussian.

    Heusel et al. 2017, equation 6.
    """
    a, b = a.double(), b.double()
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp_min(0).sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross)


def pitch_right(sounds: list[Tensor], sample_rate: int, midi: list[int]) -> float:
    """Share of notes within 50 cents of these MIDI numbers."""
    wanted = [440.0 * 2 ** ((number - 69) / 12) for number in midi]
    right = [cents_apart(pitch_hz(sound, sample_rate), hz) <= 50 for sound, hz in zip(sounds, wanted)]
    return sum(right) / len(right)


def spread(vectors: Tensor, wanted: dict[str, Tensor]) -> float | None:
    """Mean distance of embeddings [n, D] with equal labels; None without pairs."""
    same = torch.ones(len(vectors), len(vectors), dtype=torch.bool).triu(1)
    for values in wanted.values():
        same &= values[:, None] == values[None]
    return float(torch.cdist(vectors, vectors)[same].mean()) if same.any() else None


def nearest(maps: list[Tensor], training: list[Tensor]) -> Tensor:
    """Share of cells [n] that differ from the nearest training map.

    Missing columns count as different.
    """
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
    """Score the original, three baselines and each prior on filling a gap.

    "Silence" is no sound for a gap in all bands, and the codes of silence for one in some of them. A prior that knows labels
    fills twice: without labels, and with the clip's own, as a person would who knows what was said.

    Args:
        codec, priors: the models.
        clips: the codes to fill.
        judges: classify the filled clips.
        generator: of the random numbers.
        hole_s, bands: the gap, see `holes.middle_hole`.
        sampling: options of `prior.fill`.

    Returns:
        a dict of scores for each row of the table. mel_l1: mean difference of log10 mel magnitudes in the gap. seam: mean jump of
        the log10 mel spectrum over the gap's two edges, 10 ms on either side; the original's is the natural value.
    """
    sounds: dict[str, list[Tensor]] = {}
    holes, wanted = [], []
    labels = priors[0].labels
    labelled = bool((clips.labels < torch.tensor([len(values) for values in labels.values()])).any())
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
            for name, given in ((prior.name, None), (f"{prior.name}, with labels", words))[: 1 + labelled]:
                versions[name] = codec.decode(prior.fill(codes, mask, given, generator=generator, **sampling))
        for name, sound in versions.items():
            sounds.setdefault(name, []).extend(_cut(sound, codes.lengths))
    wanted = torch.cat(wanted)
    rows = []
    for name, filled in sounds.items():
        row = {"name": name}
        for judge in judges:
            asked = wanted[:, list(labels).index(judge.config.target)]
            known = asked < len(labels[judge.config.target])
            row[judge.config.target] = float((embeddings(judge, filled)[1].argmax(-1) == asked)[known].float().mean())
        scores = [_hole_scores(a, b, hole, codec.sample_rate) for a, b, hole in zip(sounds["original"], filled, holes)]
        row["mel_l1"], row["seam"] = (sum(values) / len(values) for values in zip(*scores))
        rows.append(row)
    return rows


def _hole_scores(original: Tensor, filled: Tensor, hole: tuple[int, int], rate: int) -> tuple[float, float]:
    first, last = hole[0], min(hole[1], len(original) - 1)
    a, b = (_log_mel(clip, 512 * rate // 8000, rate) for clip in (original, filled))
    hop = 128 * rate // 8000
    frames = slice(first // hop, last // hop + 1)
    mel_l1 = float((a[:, frames] - b[:, frames]).abs().mean())
    fine, hop, jumps = _log_mel(filled, 160 * rate // 8000, rate), 40 * rate // 8000, []
    for edge in (first, last + 1):
        at = round(edge / hop)
        if 2 <= at < fine.shape[1] - 2:
            jumps.append(float((fine[:, at + 2] - fine[:, at - 2]).abs().mean()))
    return mel_l1, sum(jumps) / max(1, len(jumps))


def _log_mel(clip: Tensor, n_fft: int, rate: int) -> Tensor:
    """Log10 mel magnitudes of audio [N]: [bands, frames], hop n_fft / 4."""
    bands = 64 if n_fft >= 512 else 24
    mel = torchaudio.functional.melscale_fbanks(n_fft // 2 + 1, 0.0, rate / 2, bands, rate)
    return (mel.T @ magnitudes(clip, n_fft)).clamp_min(1e-4).log10()
