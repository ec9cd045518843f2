"""Random generators: one for a batch, or one a clip.

With one a clip, each clip comes out as it would alone.
"""

from collections.abc import Sequence

import torch

from vqaudio import ranges
from vqaudio.errors import InputError

Generators = torch.Generator | Sequence[torch.Generator]


def fresh_generator() -> torch.Generator:
    """A CPU generator that `torch.manual_seed` governs.

    Its seed comes from PyTorch's global generator.
    """
    return torch.Generator().manual_seed(int(torch.randint(2**63 - 1, ())))


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


def for_clips(generator: Generators | None, seed: int | None, n: int | None) -> Generators | None:
    """The generators of a request for a seed and a number of clips.

    Args:
        generator: for all randomness; None for a fresh one.
        seed: in place of a generator.
        n: number of clips or variations; None for one generator for all. The i-th of n is what the seed `seed + i` gives.

    Raises:
        InputError: both a generator and a seed, a list of generators of another length than n, or a number out of range.
    """
    if seed is not None:
        ranges.check_value("seed", seed, ranges.Seed)
        if generator is not None:
            raise InputError("Give a seed or a generator, not both.")
        generator = torch.Generator().manual_seed(seed)
    if n is None:
        return generator
    ranges.check_value("n", n, ranges.Count)
    if generator is not None and not isinstance(generator, torch.Generator):
        if len(generator) != n:
            raise InputError(f"Give one generator for each of {n} clips; these are {len(generator)}.")
        return generator
    if seed is None:
        seed = int(torch.randint(2**62, (), generator=generator))
    return seeded(seed, n)


def seeded(first: int, n: int) -> list[torch.Generator]:
    """Generators for n variations, with the seeds first, first + 1, ...

    Each variation can be repeated alone.
    """
    return [torch.Generator().manual_seed(seed) for seed in range(first, first + n)]
