"""Colours of codewords: similar codewords get similar colours."""

from functools import cache

import torch
from torch import Tensor

from vqaudio.codec import Codec


@cache
def colour_ranks(codec: Codec) -> list[list[int]]:
    """Rank each stage's codewords on the colour scale, so that neighbours are similar.

    They are ordered along their first principal component; a codec without vectors keeps the order of its ids.
    """
    ranks = []
    for j, stage in enumerate(codec.spec.stages):
        order, words = torch.arange(stage.vocab), codewords(codec, j)
        if words is not None:
            order = _first_component(words.double()).argsort(stable=True)
        rank = torch.empty_like(order)
        rank[order] = torch.arange(stage.vocab)
        ranks.append(rank.tolist())
    return ranks


def codewords(codec: Codec, stage: int) -> Tensor | None:
    """Return a stage's codewords [V, D]; None for a codec without vectors."""
    try:
        with torch.inference_mode():
            return codec.codewords(stage)
    except AttributeError:
        return None


def _first_component(words: Tensor) -> Tensor:
    """Project [V, D] on the first principal component: [V], with a fixed sign."""
    centred = words - words.mean(0)
    direction = torch.linalg.svd(centred, full_matrices=False).Vh[0]
    return centred @ direction * direction[direction.abs().argmax()].sign()
