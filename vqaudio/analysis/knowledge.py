"""How much codes reveal of the clips' labels: mutual information, linear probes.

Mutual information is measured for each cell, probes for each clip. Needs scikit-learn.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from vqaudio.codes import CodeSpec
from vqaudio.errors import InputError

MAX_PROBE_CLIPS = 3000  # that a probe is trained on
FOLDS = 4  # if only the measured clips are labelled


@dataclass(frozen=True)
class EncodedSplit:
    """A part of a dataset, encoded.

    Attributes:
        latents: [n, D] of each column.
        ids: [n, K] of each column.
        residual_norms: [n, K], the distance of each column's latent vector to the sum of its codewords so far.
        clips: [n], the clip number of each column.
        labels: kind -> the label of each clip, or None.
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
        """The index of a clip's label in `values`; their number if it has none."""
        label = self.labels[kind][clip]
        return len(self.values[kind]) if label is None else self.values[kind].index(label)

    def bags(self, stage: int) -> np.ndarray:
        """Bags of a stage's codewords: the square roots of their shares, [clips, V]."""
        rows, vocab = self.spec.rows_of(stage), self.spec.stages[stage].vocab
        bags = np.zeros((self.n_clips, vocab))
        np.add.at(bags, (self.clips[:, None], self.ids[:, rows]), 1.0)
        return np.sqrt(bags / np.maximum(1, bags.sum(1, keepdims=True)))

    def means(self) -> np.ndarray:
        """The mean latent vector of each clip, [clips, D]."""
        sums = np.zeros((self.n_clips, self.latents.shape[1]))
        np.add.at(sums, self.clips, self.latents)
        return sums / np.maximum(1, np.bincount(self.clips, minlength=len(sums)))[:, None]


@dataclass(frozen=True)
class Knowledge:
    """How much the codes reveal of one kind of label.

    Attributes:
        nmi: for each stage, the normalised mutual information (0 to 1; arithmetic mean of the entropies) of a cell's index and
            its clip's label.
        nmi_by_chance: the same with shuffled labels: the bias of the estimate.
        probe: for each stage, the accuracy of a logistic regression on the frequencies of its codewords in a clip.
        probe_of_all: the same on the codewords of all stages.
        probe_of_latents: the same on the clip's mean latent vector.
        largest: the share of the most frequent label, which is the accuracy of always guessing it.
        learned_from: "train", or "folds" if the probes were cross-validated on the measured clips.
        clips: number of labelled clips.
    """

    nmi: list[float]
    nmi_by_chance: list[float]
    probe: list[float]
    probe_of_all: float
    probe_of_latents: float
    largest: float
    learned_from: Literal["train", "folds"]
    clips: int


def knowledge(kind: str, split: EncodedSplit, train: EncodedSplit, seed: int = 0) -> Knowledge:
    """Measure how much the codes reveal of one kind of label.

    Args:
        kind: of label.
        split: whose labelled clips are measured.
        train: trains the probes if it has the labels.
        seed: of the shuffled labels.
    """
    random = np.random.default_rng(seed)
    labelled = np.array([label is not None for label in split.labels[kind]])
    target = np.array([label or "" for label in split.labels[kind]])
    shuffled = target.copy()
    shuffled[labelled] = random.permutation(target[labelled])
    stages = range(len(split.spec.stages))
    probes = _Probes(kind, split, train, random)
    bags = [(split.bags(j), train.bags(j)) for j in stages]
    every = tuple(np.concatenate(side, 1) for side in zip(*bags))
    counts = np.unique(target[labelled], return_counts=True)[1]
    return Knowledge(
        nmi=[_nmi(split, j, target, labelled) for j in stages],
        nmi_by_chance=[_nmi(split, j, shuffled, labelled) for j in stages],
        probe=[probes.accuracy(*pair) for pair in bags], probe_of_all=probes.accuracy(*every),
        probe_of_latents=probes.accuracy(split.means(), train.means()), largest=_round(counts.max() / counts.sum()),
        learned_from="train" if probes.from_train else "folds", clips=int(labelled.sum()),
    )


def _nmi(split: EncodedSplit, stage: int, target: np.ndarray, labelled: np.ndarray) -> float:
    """Between the indices of a stage's cells and the labels of their clips."""
    metrics = _sklearn("sklearn.metrics")
    cells, rows = labelled[split.clips], split.spec.rows_of(stage)
    ids = split.ids[cells][:, rows]
    return _round(metrics.normalized_mutual_info_score(np.repeat(target[split.clips[cells]], ids.shape[1]), ids.ravel()))


class _Probes:
    """Logistic regressions of one kind of label."""

    def __init__(self, kind: str, split: EncodedSplit, train: EncodedSplit, random: np.random.Generator):
        labels = train.labels.get(kind, [])
        train_clips = np.array([i for i, label in enumerate(labels) if label is not None], dtype=int)
        self.from_train = len({labels[i] for i in train_clips}) > 1
        self.train_clips = np.sort(random.permutation(train_clips)[:MAX_PROBE_CLIPS])
        self.train_labels = np.array([labels[i] for i in self.train_clips])
        self.clips = np.array([i for i, label in enumerate(split.labels[kind]) if label is not None])
        self.labels = np.array([split.labels[kind][i] for i in self.clips])

    def accuracy(self, features: np.ndarray, train: np.ndarray) -> float:
        """The accuracy on the measured clips.

        Args:
            features: [clips, n] of the measured clips.
            train: [clips, n] of the training clips.
        """
        linear, pipeline = _sklearn("sklearn.linear_model"), _sklearn("sklearn.pipeline")
        scaler = _sklearn("sklearn.preprocessing").StandardScaler()
        probe = pipeline.make_pipeline(scaler, linear.LogisticRegression(C=0.1, max_iter=500))
        if self.from_train:
            probe.fit(train[self.train_clips], self.train_labels)
            return _round((probe.predict(features[self.clips]) == self.labels).mean())
        folds = _sklearn("sklearn.model_selection").KFold(FOLDS, shuffle=True, random_state=0)
        right = 0
        for fit, test in folds.split(self.clips):
            probe.fit(features[self.clips[fit]], self.labels[fit])
            right += int((probe.predict(features[self.clips[test]]) == self.labels[test]).sum())
        return _round(right / len(self.clips))


def _sklearn(name: str):
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        raise InputError("scikit-learn is not installed: `pip install scikit-learn`.") from None


def _round(value: float) -> float:
    return round(float(value), 4)
