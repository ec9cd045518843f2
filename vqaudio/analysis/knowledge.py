"""Information about labels in the codes: mutual information and linear probes.

Needs scikit-learn.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from vqaudio.codes import CodeSpec
from vqaudio.errors import InputError

PROBED = 3000  # the most clips for training a probe
FOLDS = 4  # of cross-validation, if only the measured clips have labels


@dataclass(frozen=True)
class LatentSplit:
    """A split's latents, codes and labels.

    Attributes:
        latents, ids: vector [n, D] and indices [n, K] of every column.
        residual_norms: [n, K], distance of every residual from its codeword.
        clips: [n], clip number of every column.
        labels: kind -> label of each clip, or None.
        spec: of the codes.
        n_clips: number of clips.
    """

    latents: np.ndarray
    ids: np.ndarray
    residual_norms: np.ndarray
    clips: np.ndarray
    labels: dict[str, list[str | None]]
    spec: CodeSpec
    n_clips: int

    @cached_property
    def values(self) -> dict[str, list[str]]:
        """The labels that occur, sorted."""
        return {kind: sorted({label for label in labels if label is not None}) for kind, labels in self.labels.items()}

    def position(self, kind: str, clip: int) -> int:
        """Return the index of a clip's label among `values`; their number if it has none."""
        label = self.labels[kind][clip]
        return len(self.values[kind]) if label is None else self.values[kind].index(label)

    def bags(self, stage: int) -> np.ndarray:
        """Square roots of the shares of a stage's codewords in each clip: [clips, V]."""
        rows, vocab = self.spec.rows_of(stage), self.spec.stages[stage].vocab
        bags = np.zeros((self.n_clips, vocab))
        np.add.at(bags, (self.clips[:, None], self.ids[:, rows]), 1.0)
        return np.sqrt(bags / np.maximum(1, bags.sum(1, keepdims=True)))

    def means(self) -> np.ndarray:
        """Mean latent vector of each clip: [clips, D]."""
        sums = np.zeros((self.n_clips, self.latents.shape[1]))
        np.add.at(sums, self.clips, self.latents)
        return sums / np.maximum(1, np.bincount(self.clips, minlength=len(sums)))[:, None]


@dataclass(frozen=True)
class Knowledge:
    """Information about one kind of label.

    Attributes:
        nmi: for each stage, the normalised mutual information (0 to 1; arithmetic mean of the entropies) of a cell's index and
            its clip's label.
        nmi_by_chance: the same with labels assigned to clips at random: the bias of that many codewords in that few cells.
        probe: for each stage, the accuracy of a logistic regression on the codewords' frequencies in a clip.
        probe_of_all: on those of all stages; probe_of_latents: on the clip's mean latents.
        largest: share of the most frequent label: the accuracy of a constant answer.
        learned_from: "train", or "folds" if the probes were cross-validated on the measured part.
        clips: number of measured clips.
    """

    nmi: list[float]
    nmi_by_chance: list[float]
    probe: list[float]
    probe_of_all: float
    probe_of_latents: float
    largest: float
    learned_from: Literal["train", "folds"]
    clips: int


def knowledge(kind: str, seen: LatentSplit, train: LatentSplit, seed: int = 0) -> Knowledge:
    """Measure a label's information in `seen`; probes train on `train` if possible."""
    random = np.random.default_rng(seed)
    named = np.array([label is not None for label in seen.labels[kind]])
    target = np.array([label or "" for label in seen.labels[kind]])
    dealt = target.copy()
    dealt[named] = random.permutation(target[named])
    stages = range(len(seen.spec.stages))
    probes = _Probes(kind, seen, train, random)
    bags = [(seen.bags(j), train.bags(j)) for j in stages]
    every = tuple(np.concatenate(side, 1) for side in zip(*bags))
    counts = np.unique(target[named], return_counts=True)[1]
    return Knowledge(
        nmi=[_nmi(seen, j, target, named) for j in stages], nmi_by_chance=[_nmi(seen, j, dealt, named) for j in stages],
        probe=[probes.accuracy(*pair) for pair in bags], probe_of_all=probes.accuracy(*every),
        probe_of_latents=probes.accuracy(seen.means(), train.means()), largest=_round(counts.max() / counts.sum()),
        learned_from="train" if probes.from_train else "folds", clips=int(named.sum()),
    )


def _nmi(seen: LatentSplit, stage: int, target: np.ndarray, named: np.ndarray) -> float:
    """Normalised mutual information of a stage's indices and the labels of the named clips."""
    metrics = _sklearn("sklearn.metrics")
    cells, rows = named[seen.clips], seen.spec.rows_of(stage)
    ids = seen.ids[cells][:, rows]
    return _round(metrics.normalized_mutual_info_score(np.repeat(target[seen.clips[cells]], ids.shape[1]), ids.ravel()))


class _Probes:
    """Logistic regressions for one kind of label."""

    def __init__(self, kind: str, seen: LatentSplit, train: LatentSplit, random: np.random.Generator):
        labels = train.labels.get(kind, [])
        self.known = np.array([i for i, label in enumerate(labels) if label is not None], dtype=int)
        self.from_train = len({labels[i] for i in self.known}) > 1
        self.known = np.sort(random.permutation(self.known)[:PROBED])
        self.learned = np.array([labels[i] for i in self.known])
        self.asked = np.array([i for i, label in enumerate(seen.labels[kind]) if label is not None])
        self.wanted = np.array([seen.labels[kind][i] for i in self.asked])

    def accuracy(self, features: np.ndarray, train: np.ndarray) -> float:
        """Accuracy on the measured clips from features [clips, n]."""
        linear, pipeline = _sklearn("sklearn.linear_model"), _sklearn("sklearn.pipeline")
        scaler = _sklearn("sklearn.preprocessing").StandardScaler()
        probe = pipeline.make_pipeline(scaler, linear.LogisticRegression(C=0.1, max_iter=500))
        if self.from_train:
            probe.fit(train[self.known], self.learned)
            return _round((probe.predict(features[self.asked]) == self.wanted).mean())
        folds = _sklearn("sklearn.model_selection").KFold(FOLDS, shuffle=True, random_state=0)
        right = 0
        for fit, test in folds.split(self.asked):
            probe.fit(features[self.asked[fit]], self.wanted[fit])
            right += int((probe.predict(features[self.asked[test]]) == self.wanted[test]).sum())
        return _round(right / len(self.asked))


def _sklearn(name: str):
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        raise InputError("scikit-learn is not installed: `pip install scikit-learn`.") from None


def _round(value: float) -> float:
    return round(float(value), 4)
