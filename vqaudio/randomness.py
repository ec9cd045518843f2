"""Random generators: one for a batch, or one a clip.

With one a clip, each clip comes out as it would alone.
"""

from collections.abc import Sequence

import torch

from vqaudio.errors import InputError

Generators = torch.Generator | Sequence[torch.Generator]


def fresh_generator() -> torch.Generator:
    """A CPU generator with a random seed."""
    generator = torch.Generator()
    generator.seed()
    return generator


def generators_of(generator: Generators | None, clips: int) -> list[torch.Generator]:
    """One generator for all clips, or one for each.

    Args:
        generator: a generator, a list of them, or None for a fresh one. One clip takes a list of any length: its variations.
        clips: number of clips.

    Raises:
        InputError: the list is empty, or its length does not fit the number of clips.
    """
    if generator is None or isinstance(generator, torch.Generator):
        return [generator or fresh_generator()]
    if not generator or (clips != 1 and len(generator) not in (1, clips)):
        raise InputError(f"Give one generator for all clips, or one a clip: {clips}, not {len(generator)}.")
    return list(generator)


def seeded(first: int, n: int) -> list[torch.Generator]:
    """Generators for n variations, with the seeds first, first + 1, ...

    Each variation can be repeated alone.
    """
    return [torch.Generator().manual_seed(seed) for seed in range(first, first + n)]
