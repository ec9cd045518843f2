"""Codewords against phones: frame by frame, segment by segment, and the measures of how much one says about the other."""

import numpy as np
from torch import Tensor

from vqaudio.timed_labels import TimedLabel

FRAME_RATE = 100  # of the comparison, whatever the codec's
KIND = "phone"


def frame_values(labels: tuple[TimedLabel, ...], n_frames: int, rate: float = FRAME_RATE) -> list[str | None]:
    """The phone at the centre of each frame; None where there is none."""
    values: list[str | None] = [None] * n_frames
    for label in labels:
        if label.kind == KIND:
            first, last = (round(time * rate - 1e-6) for time in (label.start_s, label.end_s))
            values[first:last] = [label.value] * (min(last, n_frames) - first)
    return values


def frame_pairs(labels: tuple[TimedLabel, ...], ids: Tensor, code_rate: float) -> tuple[np.ndarray, np.ndarray]:
    """The labelled frames of a clip: phones (text) and codes (int64), both [frames].

    Args:
        labels: the clip's; frames without a phone are left out.
        ids: int [T], one code a column.
        code_rate: columns per second; each code is repeated for the frames in its column.
    """
    n_frames = round(len(ids) * FRAME_RATE / code_rate)
    phones = frame_values(labels, n_frames)
    columns = np.minimum((np.arange(n_frames) + 0.5) * code_rate / FRAME_RATE, len(ids) - 1).astype(int)
    known = np.array([phone is not None for phone in phones], dtype=bool)
    return np.array(phones, dtype=object)[known].astype(str), np.asarray(ids.cpu())[columns][known].astype(np.int64)


def nmi(phones: np.ndarray, codes: np.ndarray) -> float:
    """Normalised mutual information, 0 to 1: the mutual information over the mean of the two entropies."""
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(phones, codes))
