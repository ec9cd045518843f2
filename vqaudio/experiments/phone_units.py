"""An experiment on speech units beside k-means on MFCC-39 and random codes."""

from collections.abc import Sequence
from dataclasses import dataclass

from vqaudio.analysis import phones, units
from vqaudio.data.clips import Clip
from vqaudio.errors import InputError
from vqaudio.experiments.plan import Settings
from vqaudio.experiments.records import Group, Record, Spread
from vqaudio.progress import bar

KMEANS, RANDOM = "k-means on MFCC-39", "random"
MEASURES = ("nmi", "ami", "ari", "homogeneity", "completeness", "v_measure", "pnmi", "phone_purity", "cluster_purity")


@dataclass(frozen=True)
class Size:
    """All units of one codebook size.

    Attributes:
        vocab: the number of codewords.
        seeds: of the runs, in order.
        scores: units -> measure -> the values of each seed.
    """

    vocab: int
    seeds: list[int]
    scores: dict[str, dict[str, list[float]]]

    def spread(self, name: str, measure: str) -> Spread:
        """The mean and deviation of a measure over the seeds."""
        return Spread.of(self.scores[name][measure])


def sample_rate(record: Record) -> int:
    """The sample rate of an experiment's codecs."""
    return Settings(record.kind, record.recipe).recipe.codec.sample_rate


def sizes(record: Record, train: Sequence[Clip], clips: Sequence[Clip]) -> list[Size]:
    """Score k-means and random codes with the sizes and seeds of an experiment's runs.

    Args:
        record: of an experiment whose codecs were measured on clips with phones.
        train: clips with phones, for k-means.
        clips: clips with phones that the units are scored on: those that the experiment was measured on.

    Raises:
        InputError: the experiment has no runs, or was not measured on phones.
    """
    groups = [group for group in record.groups() if set(MEASURES) <= set.intersection(*(set(r["measures"]) for r in group.runs))]
    if not groups:
        raise InputError(f"{record.experiment} has no scores of phones. Run `{record.command}` on clips with phones.")
    rate, found = sample_rate(record), []
    with bar("k-means", sum(len(group.runs) for group in groups), " runs") as progress:
        for group in groups:
            found.append(_size(record, group, train, clips, rate, progress))
    return sorted(found, key=lambda size: size.vocab)


def default_size(record: Record, found: list[Size]) -> Size:
    """The size of the recipe's own codebook. Raises InputError if no run has it."""
    vocab = Settings(record.kind, record.recipe).recipe.codec.vocab
    for size in found:
        if size.vocab == vocab:
            return size
    raise InputError(f"{record.experiment} has no run with the recipe's {vocab} codewords. Add them to its grid and run it.")


def _size(record: Record, group: Group, train: Sequence[Clip], clips: Sequence[Clip], rate: int, progress) -> Size:
    vocab = group.setting.get("codec.vocab", Settings(record.kind, record.recipe).recipe.codec.vocab)
    seeds = [run["seed"] for run in group.runs]
    rows: dict[str, list[dict]] = {record.recipe: [run["measures"] for run in group.runs], KMEANS: [], RANDOM: []}
    for seed in seeds:
        found = units.KMeansUnits(train, vocab, rate, seed).of(clips)
        for name, utterances in ((KMEANS, found), (RANDOM, units.at_random(found, vocab, seed))):
            rows[name].append(phones.scores(*phones.all_frames(utterances)))
        progress.update(1)
    return Size(vocab, seeds, {name: {m: [one[m] for one in many] for m in MEASURES} for name, many in rows.items()})
