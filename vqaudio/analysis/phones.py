"""Compare codes with phones, by frames and by segments."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from torch import Tensor

from vqaudio.errors import InputError
from vqaudio.timed_labels import TimedLabel

FRAME_RATE = 100  # frames per second of the comparison, whatever the codec's rate
KIND = "phone"


@dataclass(frozen=True)
class Utterance:
    """A clip with its phones and its codes.

    Attributes:
        name: of the clip.
        labels: its phones.
        ids: int [T], one code a column.
        rate: columns per second.
        vectors: [T, D], the vector of each column for ABX, or None.
    """

    name: str
    labels: tuple[TimedLabel, ...]
    ids: np.ndarray
    rate: float
    vectors: np.ndarray | None = None

    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Phones (text) and codes, both [frames], of the labelled frames."""
        return frame_pairs(self.labels, self.ids, self.rate)

    def phones(self) -> list[str]:
        """The phones in order, one a segment."""
        return [label.value for label in self.labels if label.kind == KIND]

    def code_segments(self) -> list[TimedLabel]:
        """Runs of one code, as timed labels of kind "code"."""
        found, at = [], 0
        for code, run in groupby(self.ids.tolist()):
            end = at + len(list(run))
            found.append(TimedLabel("code", str(code), at / self.rate, end / self.rate))
            at = end
        return found


def frame_values(labels: Sequence[TimedLabel], n_frames: int, rate: float = FRAME_RATE) -> list[str | None]:
    """The phone of each frame, that at the frame's centre; None where there is none."""
    values: list[str | None] = [None] * n_frames
    for label in labels:
        if label.kind == KIND:
            first, last = (min(n_frames, int(np.ceil(time * rate - 0.5 - 1e-6))) for time in (label.start_s, label.end_s))
            values[first:last] = [label.value] * (last - first)
    return values


def frame_pairs(labels: Sequence[TimedLabel], ids: Tensor | np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a clip's labelled frames at FRAME_RATE.

    Phones (text) and codes (int64), both [frames].

    Args:
        labels: the clip's; frames without a phone are left out.
        ids: int [T], one code a column; each is repeated for the frames in its column.
        rate: columns per second.
    """
    ids = np.asarray(ids.cpu() if isinstance(ids, Tensor) else ids)
    n_frames = round(len(ids) * FRAME_RATE / rate)
    phones = frame_values(labels, n_frames)
    columns = np.minimum((np.arange(n_frames) + 0.5) * rate / FRAME_RATE, len(ids) - 1).astype(int)
    known = np.array([phone is not None for phone in phones], dtype=bool)
    return np.array(phones, dtype=object)[known].astype(str), ids[columns][known].astype(np.int64)


def all_frames(utterances: Sequence[Utterance]) -> tuple[np.ndarray, np.ndarray]:
    """The labelled frames of all utterances. Raises InputError where there are none."""
    pairs = [utterance.frames() for utterance in utterances]
    if not sum(len(phones) for phones, _ in pairs):
        raise InputError("None of these clips has phones: choose a dataset with labels, such as festvox_ru.")
    phones, codes = zip(*pairs)
    return np.concatenate(phones), np.concatenate(codes)


# --- measures ----------------------------------------------------------------------------------------------------------


def nmi(phones: np.ndarray, codes: np.ndarray) -> float:
    """Normalised mutual information, 0 to 1.

    The mutual information over the mean of the two entropies.
    """
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(phones, codes))


def scores(phones: np.ndarray, codes: np.ndarray) -> dict[str, float]:
    """Compute all measures of phones and codes [frames].

    Each is 1 for codes that separate phones perfectly.

    PNMI is the mutual information over the phones' entropy (Hsu et al. 2021, "HuBERT", section V-A): as homogeneity. Phone purity
    is the share of frames with their code's most frequent phone, cluster purity that with their phone's most frequent code.
    """
    from sklearn import metrics

    homogeneity, completeness, v_measure = metrics.homogeneity_completeness_v_measure(phones, codes)
    table = contingency(phones, codes)[0]
    return {
        "nmi": nmi(phones, codes),
        "ami": float(metrics.adjusted_mutual_info_score(phones, codes)),
        "ari": float(metrics.adjusted_rand_score(phones, codes)),
        "homogeneity": float(homogeneity),
        "completeness": float(completeness),
        "v_measure": float(v_measure),
        "pnmi": pnmi(table),
        "phone_purity": float(table.max(0).sum() / table.sum()),
        "cluster_purity": float(table.max(1).sum() / table.sum()),
    }


def contingency(phones: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, list[str], list[int]]:
    """Counts [phones, codes] of frames, and the names of rows and columns, in order."""
    names, rows = np.unique(phones, return_inverse=True)
    known, columns = np.unique(codes, return_inverse=True)
    table = np.zeros((len(names), len(known)), dtype=np.int64)
    np.add.at(table, (rows, columns), 1)
    return table, names.tolist(), known.tolist()


def pnmi(table: np.ndarray) -> float:
    """Mutual information over the entropy of the phones, from counts [phones, codes].

    0 if there is only one phone.
    """
    p = table / table.sum()
    phones, codes = p.sum(1), p.sum(0)
    entropy = -float((phones * np.log(phones)).sum())
    inside = p > 0
    information = float((p[inside] * np.log(p[inside] / np.outer(phones, codes)[inside])).sum())
    return information / entropy if entropy > 0 else 0.0


# --- sequences ---------------------------------------------------------------------------------------------------------


def frequencies(phones: np.ndarray, codes: np.ndarray) -> tuple[dict[str, float], dict[int, float]]:
    """The share of frames of each phone and of each code, the most frequent first."""
    return tuple({name: n / len(values) for name, n in Counter(values.tolist()).most_common()} for values in (phones, codes))


def bigrams(sequences: Sequence[Sequence], names: Sequence, diagonal: bool) -> np.ndarray:
    """Estimate the probabilities [n, n] that a row's name is followed by a column's.

    Args:
        diagonal: whether a name may follow itself; otherwise such pairs are left out. A row without pairs is zero.
    """
    place = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)))
    for sequence in sequences:
        for one, other in zip(sequence, sequence[1:]):
            if diagonal or one != other:
                counts[place[one], place[other]] += 1
    return counts / counts.sum(1, keepdims=True).clip(min=1)


def mean_lengths(utterances: Sequence[Utterance]) -> dict[str, float]:
    """Means an utterance: phones, segments of one code, columns, and seconds."""
    n = len(utterances)
    return {
        "phones": sum(len(one.phones()) for one in utterances) / n,
        "code_segments": sum(len(one.code_segments()) for one in utterances) / n,
        "codes": sum(len(one.ids) for one in utterances) / n,
        "seconds": sum(len(one.ids) / one.rate for one in utterances) / n,
    }


def mapping(phones: np.ndarray, codes: np.ndarray) -> dict[int, tuple[str, float]]:
    """Map each code to its most frequent phone and the share of its frames."""
    table, names, known = contingency(phones, codes)
    return {
        code: (names[int(column.argmax())], float(column.max() / column.sum())) for code, column in zip(known, table.T)
    }


def accuracy(mapped: dict[int, tuple[str, float]], phones: np.ndarray, codes: np.ndarray) -> float:
    """Return the share of frames whose code is mapped to their phone.

    A code without a phone is wrong.
    """
    guesses = np.array([mapped.get(code, (None, 0.0))[0] for code in codes.tolist()], dtype=object)
    return float((guesses == phones.astype(object)).mean())
