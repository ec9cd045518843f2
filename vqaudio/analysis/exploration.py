"""A codec's latent space, and the information about labels in each stage.

Measured once over a dataset and saved beside the weights (exploration.json) for `vqaudio plot` and the app. Needs the extra
`explore`: scikit-learn, and umap-learn (McInnes et al. 2018, "UMAP: Uniform manifold approximation and projection").
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from vqaudio.analysis import phones
from vqaudio.analysis.knowledge import EncodedSplit, Knowledge, knowledge
from vqaudio.analysis.training_curves import TrainingCurves
from vqaudio.codec import Codec
from vqaudio.data.batches import in_order
from vqaudio.data.clips import Split
from vqaudio.errors import InputError
from vqaudio.files import replace_file
from vqaudio.json_files import expected_in, read_json
from vqaudio.ranges import check

FILE = "exploration.json"
FRAMES = 1500  # columns to plot
BINS = 60
MOST = 64  # labels, runs or stages in a figure
NEIGHBOURS, MIN_DIST = 15, 0.1  # UMAP's defaults


@dataclass(frozen=True)
class Map:
    """Columns in two dimensions; the axes have no unit.

    Attributes:
        x, y: positions of the columns' latent vectors.
        labels: kind -> index of each column's label in `Exploration.values`; the number of values if it has none. The kind
            "phone" is of columns, all others are of clips.
        words: the first stage's index of each column.
        words_x, words_y: positions of the first stage's codewords; empty if they are not in the latents' own space.
    """

    x: list[float]
    y: list[float]
    labels: dict[str, list[int]]
    words: list[int]
    words_x: list[float] = field(default_factory=list)
    words_y: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Distances:
    """Histogram of the distances between residuals and their codewords, by stage.

    Attributes:
        edges: of the bins, [BINS + 1], in the latents' own unit; the last bin also holds everything beyond.
        shares: [stages][BINS] of the stage's cells.
        medians: of each stage.
    """

    edges: list[float]
    shares: list[list[float]]
    medians: list[float]


@dataclass(frozen=True)
class Exploration:
    """The content of exploration.json.

    `encoder` is the encoder's fingerprint, `values` are those of each kind of label.
    """

    encoder: str
    dataset: str
    part: str
    columns: int
    values: dict[str, list[str]]
    map: Map
    distances: Distances
    knows: dict[str, Knowledge]
    training: list[TrainingCurves] = field(default_factory=list)

    def check_together(self) -> None:
        """Raise InputError if lists have mismatched lengths or are too long for a figure."""
        m, d = self.map, self.distances
        together = [(m.y, m.x), (m.words, m.x), (m.words_y, m.words_x), (d.medians, d.shares)]
        together += [(labels, m.x) for labels in m.labels.values()] + [(shares, d.edges[1:]) for shares in d.shares]
        for known in self.knows.values():
            together += [(known.nmi_by_chance, known.nmi), (known.probe, known.nmi)]
        for run in self.training:
            lines = {**run.losses, **run.perplexity, **run.gradients}.values()
            together += [*((line, run.step) for line in lines), *((scores, run.looks) for scores in run.validation.values())]
        if any(len(one) != len(other) for one, other in together) or not d.shares:
            raise InputError("lists that belong together have different lengths.")
        if any(not 0 <= place <= len(self.values.get(kind, ())) for kind, places in m.labels.items() for place in places):
            raise InputError("the map has labels that are not listed.")
        if max(map(len, (m.labels, self.knows, self.training, d.shares, *(known.nmi for known in self.knows.values())))) > MOST:
            raise InputError(f"there are more than {MOST} parts to show.")


def explore(codec: Codec, train: Split, split: Split, dataset: str, part: str, seed: int = 0) -> Exploration:
    """Measure the map, the distances and the labels' probes.

    Args:
        codec: the codec.
        train: clips for training the probes, if they have the labels of `split`.
        split: the clips to plot and measure.
        dataset, part: names of the dataset, and of the part.
        seed: of random choices.

    Raises:
        InputError: scikit-learn or umap-learn is not installed.
    """
    seen, probed = look(codec, split), look(codec, train)
    knows = {kind: knowledge(kind, seen, probed, seed) for kind in seen.values if has_classes(kind, seen)}
    spoken = phones_of_columns(split, seen, codec.spec.frame_rate)
    mapped, names = flat_map(codec, seen, seed, spoken), sorted({phone for phone in spoken if phone is not None})
    values = seen.values | ({phones.KIND: names} if names else {})
    return Exploration(
        codec.encoder_fingerprint, dataset, part, len(seen.latents), values, mapped, _distances(codec, seen), knows
    )


def has_classes(kind: str, seen: EncodedSplit) -> bool:
    """Whether a label has two or more values, and four clips each on average."""
    labels = [label for label in seen.labels[kind] if label is not None]
    return len(set(labels)) > 1 and len(labels) >= 4 * len(set(labels))


@torch.inference_mode()
def look(codec: Codec, split: Split) -> EncodedSplit:
    """Encode a split's clips: latents, ids, distances and labels."""
    number = {clip.name: i for i, clip in enumerate(split.clips)}
    latents, ids, residual_norms, clips = [], [], [], []
    for batch in in_order(split, 25):
        codes, vectors = codec.encode_with_latents(batch.audio, batch.lengths)
        distances = codec.residual_norms(vectors, codes.ids)
        clips.append(torch.tensor([number[name] for name in batch.names])[:, None].expand_as(codes.valid)[codes.valid])
        for found, rows in ((latents, vectors), (ids, codes.ids), (residual_norms, distances)):
            found.append(rows.transpose(1, 2)[codes.valid])
    labels = {kind: [clip.labels.get(kind) for clip in split.clips] for kind in split.labels}
    latents, ids, residual_norms, clips = (torch.cat(part).cpu().numpy() for part in (latents, ids, residual_norms, clips))
    return EncodedSplit(latents, ids, residual_norms, clips, labels, codec.spec, len(split))


def phones_of_columns(split: Split, seen: EncodedSplit, rate: float) -> list[str | None]:
    """Return the phone at the centre of each column; None where there is none.

    Args:
        split: the clips that were encoded.
        seen: their columns, those of a clip one after the other.
        rate: columns per second.
    """
    found: list[str | None] = [None] * len(seen.clips)
    for i, clip in enumerate(split.clips):
        if clip.timed_labels:
            columns = np.flatnonzero(seen.clips == i)
            for column, phone in zip(columns.tolist(), phones.frame_values(clip.timed_labels, len(columns), rate)):
                found[column] = phone
    return found


def flat_map(codec: Codec, seen: EncodedSplit, seed: int = 0, spoken: Sequence[str | None] = ()) -> Map:
    """Run UMAP on random columns together with the first stage's codewords.

    Args:
        codec: the codec.
        seen: columns that it encoded.
        seed: of UMAP, and of the choice of columns.
        spoken: the phone of each column, see `phones_of_columns`; none of them leaves phones out.

    Raises:
        InputError: umap-learn is not installed.
    """
    try:
        from umap import UMAP
    except ImportError:
        raise InputError("UMAP is not installed: `pip install umap-learn`.") from None

    chosen = np.sort(np.random.default_rng(seed).permutation(len(seen.latents))[:FRAMES])
    frames, words = seen.latents[chosen], codec.codewords(0).detach().cpu().numpy()
    if words.shape[1] != frames.shape[1]:
        words = words[:0, :1].reshape(0, frames.shape[1])
    together = np.concatenate([frames, words])
    neighbours = min(NEIGHBOURS, len(together) - 1)
    flat = UMAP(n_neighbors=neighbours, min_dist=MIN_DIST, random_state=seed, n_jobs=1).fit_transform(together)
    labels = {kind: [seen.position(kind, clip) for clip in seen.clips[chosen]] for kind in seen.labels}
    if names := sorted({phone for phone in spoken if phone is not None}):
        places = {name: place for place, name in enumerate(names)}
        labels[phones.KIND] = [places.get(spoken[column], len(names)) for column in chosen]
    (x, y), (words_x, words_y) = (np.round(part.astype(float), 2).T.tolist() for part in np.split(flat, [len(frames)]))
    return Map(x, y, labels, seen.ids[chosen, 0].tolist(), words_x, words_y)


def _distances(codec: Codec, seen: EncodedSplit) -> Distances:
    stages = [seen.residual_norms[:, codec.spec.rows_of(j)].ravel() for j in range(len(codec.spec.stages))]
    edges = np.linspace(0, max(np.quantile(stage, 0.995) for stage in stages), BINS + 1)
    shares = [np.histogram(np.minimum(stage, edges[-1]), edges)[0] / len(stage) for stage in stages]
    return Distances(_short(edges), [_short(share) for share in shares], [float(f"{np.median(s):.4g}") for s in stages])


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{value:.4g}") for value in values]


def save(exploration: Exploration, folder: Path) -> None:
    """Write exploration.json into a model's folder."""
    text = json.dumps(asdict(exploration), separators=(",", ":")) + "\n"
    replace_file(folder / FILE, lambda path: path.write_text(text))


def load(folder: Path) -> Exploration | None:
    """Read what `save` wrote; None without it. Raises InputError if damaged."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with expected_in(path):
            saved = read_json(path)
            knows = {kind: Knowledge(**one) for kind, one in saved["knows"].items()}
            curves = [TrainingCurves(**one) for one in saved["training"]]
            parts = {"map": Map(**saved["map"]), "distances": Distances(**saved["distances"]), "knows": knows, "training": curves}
            found = Exploration(**saved | parts)
            for part in (found, *knows.values(), *curves):
                check(part)
            return found
    except InputError as error:
        raise InputError(f"{error} `vqaudio explore` rebuilds it.") from None


def with_training(exploration: Exploration, training: list[TrainingCurves]) -> Exploration:
    """Return the exploration with other training curves."""
    return replace(exploration, training=training)
