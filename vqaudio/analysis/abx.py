"""ABX test of phones (Schatz et al. 2013).

Is X nearer to A, a token of the same phone, than to B, one of another?

Within one speaker, in any context. A token is the mean of its frames' vectors; nearness is the cosine; a tie is half an error.
"""

from collections.abc import Sequence

import numpy as np

from vqaudio.analysis.phones import KIND, Utterance
from vqaudio.errors import InputError

TOKENS = 20  # of a phone, at most, chosen at random


def error(utterances: Sequence[Utterance], seed: int = 0, tokens: int = TOKENS) -> float:
    """The error of ABX, 0 to 1, a mean over ordered pairs of phones; 0.5 is chance.

    Args:
        utterances: with `vectors`, all of one speaker.
        tokens: most tokens of a phone that take part.

    Raises:
        InputError: there are not two phones with two tokens each.
    """
    groups = _tokens(utterances, np.random.default_rng(seed), tokens)
    if len(groups) < 2:
        raise InputError("ABX needs at least two phones with two tokens each: choose more clips.")
    names = sorted(groups)
    return float(np.mean([pair_error(groups[a], groups[b]) for a in names for b in names if a != b]))


def pair_error(same: np.ndarray, other: np.ndarray) -> float:
    """Return the error over all A and X of the first phone, B of the second.

    Args:
        first, second: unit vectors of the tokens, [n, D] and [m, D].
    """
    near, far = same @ same.T, same @ other.T  # [X, A], [X, B]
    wrong = (near[:, :, None] < far[:, None]) + 0.5 * (near[:, :, None] == far[:, None])
    inside = ~np.eye(len(same), dtype=bool)  # A and X are two tokens
    return float(wrong[inside].mean())


def _tokens(utterances: Sequence[Utterance], chance: np.random.Generator, most: int) -> dict[str, np.ndarray]:
    """For each phone with at least two tokens, [n, D] of length 1, at most `most` of them."""
    found: dict[str, list[np.ndarray]] = {}
    for one in utterances:
        for label in one.labels:
            if label.kind == KIND:
                first = int(label.start_s * one.rate + 0.5)
                part = one.vectors[first : max(first + 1, int(label.end_s * one.rate + 0.5))]
                if len(part):
                    found.setdefault(label.value, []).append(part.mean(0))
    chosen = {}
    for phone, vectors in sorted(found.items()):
        if len(vectors) >= 2:
            keep = np.sort(chance.permutation(len(vectors))[:most])
            rows = np.stack([vectors[i] for i in keep])
            rows /= np.linalg.norm(rows, axis=1, keepdims=True).clip(min=1e-12)
            chosen[phone] = np.round(rows, 6)  # so that ties are ties
    return chosen
