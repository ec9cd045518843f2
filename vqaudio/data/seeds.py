"""Seeds from a few integers, such as (seed, step, rank), equal on every machine.

The mix is the one that CPython 3.8 and later use for a tuple of ints (xxHash, Collet 2012-2021), written out because `hash`
guarantees nothing: another interpreter, or a string among the numbers, would train on other batches.
"""

import random

import torch

_MASK = 2**64 - 1
_PRIME_1, _PRIME_2, _PRIME_5 = 11400714785074694791, 14029467366897019727, 2870177450012600261
_MODULUS = 2**61 - 1  # of CPython's hash of an int


def mixed(*numbers: int) -> int:
    """Mix integers, in order, into one number from -2**63 to 2**63 - 1."""
    total = _PRIME_5
    for number in numbers:
        total = total + _lane(number) * _PRIME_2 & _MASK
        total = (total << 31 | total >> 33) * _PRIME_1 & _MASK
    total = total + (len(numbers) ^ _PRIME_5 ^ 3527539) & _MASK
    return total - 2**64 if total >= 2**63 else total


def torch_seed(*numbers: int) -> int:
    """Return a seed for a `torch.Generator`, from 0 to 2**63 - 1."""
    return mixed(*numbers) % 2**63


def torch_generator(*numbers: int) -> torch.Generator:
    """Return a CPU generator seeded with these numbers."""
    return torch.Generator().manual_seed(torch_seed(*numbers))


def python_random(*numbers: int) -> random.Random:
    """Return Python's generator seeded with these numbers."""
    return random.Random(mixed(*numbers))


def _lane(number: int) -> int:
    reduced = abs(number) % _MODULUS
    signed = -reduced if number < 0 else reduced
    return -2 if signed == -1 else signed  # as in CPython, where -1 means an error
