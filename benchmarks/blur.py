"""CPU time to blur a selection of one second with a prior, on one thread.

    python -m benchmarks.blur --json benchmarks/results/blur.json
"""

from functools import partial
from pathlib import Path

import torch
import tyro

from benchmarks.measure import cpu_times, table, write_json
from vqaudio import edits, gibbs, hub
from vqaudio.codes import Codes
from vqaudio.prior import Prior
from vqaudio.randomness import seeded

PRIORS = ("fsdd-8khz-naive-bayes", "fsdd-8khz-masked", "notes-16khz-naive-bayes", "voice-16khz-masked")


def main(
    priors: tuple[str, ...] = PRIORS, seconds: float = 1.0, radius: float = 2.0, strength: float = 1.0, repeats: int = 3,
    json: Path | None = None,
) -> None:
    """Print CPU seconds of a blur by each prior, and of a smear.

    Args:
        priors: names in weights/, or folders.
        seconds: length of the clip, all of whose cells are selected.
        radius, strength: see `gibbs.blur`.
        repeats: runs of each contestant; the median counts.
        json: also write the numbers to this file.
    """
    torch.set_num_threads(1)
    runs = {}
    for name in priors:
        codes = random_codes(hub.load(name), seconds)
        mask = torch.ones_like(codes.ids, dtype=torch.bool)
        runs[name] = partial(blurred, hub.load(name), codes, mask, radius, strength)
        runs[f"smear, codes of {name}"] = partial(edits.smear, codes, mask, radius, strength)
    taken = cpu_times(runs, repeats)
    print(table((f"{seconds:g} s selected", "CPU seconds"), [(name, f"{time:.3f}") for name, time in taken.items()]))
    if json:
        results = {"seconds": seconds, "radius": radius, "strength": strength, "repeats": repeats}
        write_json(json, results | {"cpu_s": {name: round(time, 4) for name, time in taken.items()}})


def blurred(prior: Prior, codes: Codes, mask, radius: float, strength: float) -> Codes:
    return gibbs.blur(prior, codes, mask, radius, strength, generator=seeded(0, 1)[0])


def random_codes(prior: Prior, seconds: float) -> Codes:
    """A clip of random codes."""
    blank = prior.blank(seconds=seconds)
    everything = torch.ones_like(blank.ids, dtype=torch.bool)
    return edits.randomise(blank, everything, seeded(0, 1)[0])


if __name__ == "__main__":
    tyro.cli(main)
