"""What a codec's latent space looks like, and what each stage of its codes knows of the clips' labels.

Measured once over a dataset and kept beside the weights (exploration.json) for `vqaudio plot` and the app. Needs the extra
`explore`: scikit-learn, and umap-learn (McInnes et al. 2018, "UMAP: Uniform manifold approximation and projection").
"""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from vqaudio.analysis.knowledge import Knowledge, Seen, knowledge
from vqaudio.analysis.training_curves import TrainingCurves
from vqaudio.codec import Codec
from vqaudio.data.batches import in_order
from vqaudio.data.clips import Split
from vqaudio.errors import InputError
from vqaudio.files import replace_file
from vqaudio.json_files import expected_in, read_json
from vqaudio.ranges import check

FILE = "exploration.json"
FRAMES = 1500  # columns that are drawn
BINS = 60
MOST = 64  # labels, runs or stages in a figure
NEIGHBOURS, MIN_DIST = 15, 0.1  # of UMAP, its own defaults


@dataclass(frozen=True)
class Map:
    """Columns in two dimensions; the axes have no unit.

    Attributes:
        x, y: of the columns' latent vectors.
        labels: kind -> the position of each column's label among `Exploration.values`; as many as there are values for none.
        words: the index that the first stage gives each column.
        words_x, words_y: of the first stage's codewords; empty where they do not live in the latents' own space.
    """

    x: list[float]
    y: list[float]
    labels: dict[str, list[int]]
    words: list[int]
    words_x: list[float] = field(default_factory=list)
    words_y: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Distances:
    """How far the vectors behind the cells are from their codewords, stage by stage.

    Attributes:
        edges: of the bins, [BINS + 1], in the latents' own unit; what lies beyond is in the last bin.
        shares: [stages][BINS] of the stage's cells.
        medians: of each stage.
    """

    edges: list[float]
    shares: list[list[float]]
    medians: list[float]


@dataclass(frozen=True)
class Exploration:
    """All that is kept. `encoder`: the fingerprint of what made the codes; `values`: of each kind of label."""

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
        """Raise InputError where lists differ in length that belong together, or there is more than a figure can show."""
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
    """Measure all of it.

    Args:
        train: the clips that the probes learn from, where they carry the labels of `split`.
        split: the clips that are shown and measured.
        part: its name.
    """
    seen, probed = look(codec, split), look(codec, train)
    knows = {kind: knowledge(kind, seen, probed, seed) for kind in seen.values if told_apart(kind, seen)}
    mapped = flat_map(codec, seen, seed)
    return Exploration(
        codec.encoder_fingerprint, dataset, part, len(seen.latents), seen.values, mapped, _distances(codec, seen), knows
    )


def told_apart(kind: str, seen: Seen) -> bool:
    """Whether a kind of label can be learned: at least two values, and four clips a value on the average."""
    labels = [label for label in seen.labels[kind] if label is not None]
    return len(set(labels)) > 1 and len(labels) >= 4 * len(set(labels))


@torch.inference_mode()
def look(codec: Codec, split: Split) -> Seen:
    """Encode a split's clips: every column's latents, ids and distances, and the clips' labels."""
    number = {clip.name: i for i, clip in enumerate(split.clips)}
    latents, ids, left, clips = [], [], [], []
    for batch in in_order(split, 25):
        codes, vectors = codec.encode_with_latents(batch.audio, batch.lengths)
        distances = codec.residual_norms(vectors, codes.ids)
        clips.append(torch.tensor([number[name] for name in batch.names])[:, None].expand_as(codes.valid)[codes.valid])
        for found, rows in ((latents, vectors), (ids, codes.ids), (left, distances)):
            found.append(rows.transpose(1, 2)[codes.valid])
    labels = {kind: [clip.labels.get(kind) for clip in split.clips] for kind in split.labels}
    latents, ids, left, clips = (torch.cat(part).cpu().numpy() for part in (latents, ids, left, clips))
    return Seen(latents, ids, left, clips, labels, codec.spec, len(split))


def flat_map(codec: Codec, seen: Seen, seed: int = 0) -> Map:
    """UMAP of a random choice of columns together with the first stage's codewords. Raises InputError without umap-learn."""
    try:
        from umap import UMAP
    except ImportError:
        raise InputError("UMAP is not there: `pip install umap-learn`.") from None

    chosen = np.sort(np.random.default_rng(seed).permutation(len(seen.latents))[:FRAMES])
    frames, words = seen.latents[chosen], codec.codewords(0).detach().cpu().numpy()
    if words.shape[1] != frames.shape[1]:
        words = words[:0, :1].reshape(0, frames.shape[1])
    together = np.concatenate([frames, words])
    neighbours = min(NEIGHBOURS, len(together) - 1)
    flat = UMAP(n_neighbors=neighbours, min_dist=MIN_DIST, random_state=seed, n_jobs=1).fit_transform(together)
    labels = {kind: [seen.position(kind, clip) for clip in seen.clips[chosen]] for kind in seen.labels}
    (x, y), (words_x, words_y) = (np.round(part.astype(float), 2).T.tolist() for part in np.split(flat, [len(frames)]))
    return Map(x, y, labels, seen.ids[chosen, 0].tolist(), words_x, words_y)


def _distances(codec: Codec, seen: Seen) -> Distances:
    stages = [seen.left[:, codec.spec.rows_of(j)].ravel() for j in range(len(codec.spec.stages))]
    edges = np.linspace(0, max(np.quantile(stage, 0.995) for stage in stages), BINS + 1)
    shares = [np.histogram(np.minimum(stage, edges[-1]), edges)[0] / len(stage) for stage in stages]
    return Distances(_short(edges), [_short(share) for share in shares], [float(f"{np.median(s):.4g}") for s in stages])


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{value:.4g}") for value in values]


def save(exploration: Exploration, folder: Path) -> None:
    """Write exploration.json beside a model's weights."""
    text = json.dumps(asdict(exploration), separators=(",", ":")) + "\n"
    replace_file(folder / FILE, lambda path: path.write_text(text))


def load(folder: Path) -> Exploration | None:
    """What `save` wrote; None where it was never measured. Raises InputError where the file is damaged."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with expected_in(path):
            told = read_json(path)
            knows = {kind: Knowledge(**one) for kind, one in told["knows"].items()}
            curves = [TrainingCurves(**one) for one in told["training"]]
            parts = {"map": Map(**told["map"]), "distances": Distances(**told["distances"]), "knows": knows, "training": curves}
            found = Exploration(**told | parts)
            for part in (found, *knows.values(), *curves):
                check(part)
            return found
    except InputError as error:
        raise InputError(f"{error} `vqaudio explore` makes it anew.") from None


def with_training(exploration: Exploration, training: list[TrainingCurves]) -> Exploration:
    """The same with other training curves."""
    return replace(exploration, training=training)
