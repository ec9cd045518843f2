"""CPU time for priors to generate a second of codes and to fill a gap.

The masked prior with its default steps, with and without guidance; the autoregressive one with and without its key-value cache.
Medians of interleaved runs. Weights do not change the speed: without trained ones, random ones of the recipes' shapes are used.

    python -m benchmarks.prior --json benchmarks/results/prior.json
"""

from functools import partial
from pathlib import Path

import torch
import tyro

from benchmarks.measure import cpu_times, table, write_json
from vqaudio import hub
from vqaudio.codes import Codes
from vqaudio.prior import Prior
from vqaudio.randomness import seeded


def main(
    masked: str | None = "fsdd-8khz-masked", autoregressive: str | None = "fsdd-8khz-autoregressive",
    lengths_s: tuple[float, ...] = (0.43, 1.0, 2.0, 4.0), gap_s: float = 0.2, clips_s: tuple[float, ...] = (3.0, 274.0),
    repeats: int = 3, seed: int = 0, json: Path | None = None,
) -> None:
    """Print CPU seconds per second of generated audio, and for filling a gap.

    Args:
        masked, autoregressive: names in weights/, or folders; None for random weights of the recipe's shape.
        lengths_s: lengths of the generated clips, one clip at a time.
        gap_s: seconds of the gap, all stages but the first, which every prior in weights/ fills.
        clips_s: lengths of the clips with the gap in their middle.
        repeats: runs of each contestant; the median counts.
        seed: of all randomness.
        json: also write the numbers to this file.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    priors = {"masked": prior_of(masked, "masked"), "autoregressive": prior_of(autoregressive, "autoregressive")}
    results = {"repeats": repeats, "default_steps": priors["masked"].config.steps}
    results |= {"seconds_per_second": {}, "faster_with_cache": {}}
    rows = []
    for seconds in lengths_s:
        runs = {
            "masked": partial(generate, priors["masked"], seconds, seed, guidance=1.0),
            "masked, guided": partial(generate, priors["masked"], seconds, seed, guidance=2.0),
            "autoregressive": partial(generate, priors["autoregressive"], seconds, seed, guidance=1.0),
            "autoregressive, no cache": partial(without_cache, priors["autoregressive"], seconds, seed),
        }
        taken = {name: time / seconds for name, time in cpu_times(runs, repeats).items()}
        results["seconds_per_second"][seconds] = {name: round(time, 4) for name, time in taken.items()}
        faster = taken["autoregressive, no cache"] / taken["autoregressive"]
        results["faster_with_cache"][seconds] = round(faster, 2)
        rows.append((f"{seconds:g} s", *(f"{time:.3f}" for time in taken.values()), f"{faster:.2f} times"))
    print("CPU seconds per second of audio, one thread")
    print(table(("clip", *runs, "faster with its cache"), rows))
    results["fill_s"] = {seconds: fills(seconds, gap_s, repeats) for seconds in clips_s}
    print(f"\nCPU seconds for a gap of {gap_s:g} s, one thread: one variation, and four as one batch")
    for seconds, found in results["fill_s"].items():
        print(table((f"in {seconds:g} s", "one", "four"), [(n, f"{t['one']:.3f}", f"{t['four']:.3f}") for n, t in found.items()]))
    write_json(json, results)


def fills(seconds: float, gap_s: float, repeats: int) -> dict[str, dict[str, float]]:
    """CPU seconds of one variation and of four, for every prior in weights/."""
    found = {}
    for name in hub.installed():
        prior = hub.load(name)
        if not isinstance(prior, Prior):
            continue
        spec, columns = prior.spec, round(seconds * prior.spec.frame_rate)
        ids = torch.stack([torch.randint(v, (1, columns), generator=seeded(0, 1)[0]) for v in spec.vocab_of_row], 1)
        lengths, valid = torch.tensor([columns * prior.config.hop]), torch.ones(1, columns, dtype=torch.bool)
        codes = Codes(ids, spec, lengths, valid, torch.tensor([-20.0]) if prior.config.has_level else None)
        gap = codes.region(seconds / 2, seconds / 2 + gap_s, range(1, len(spec.stages)))
        runs = {
            word: partial(prior.fill, codes, gap, generator=seeded(0, n)) for word, n in (("one", 1), ("four", 4))
        }
        found[name] = {word: round(time, 3) for word, time in cpu_times(runs, repeats).items()}
    return found


def prior_of(name: str | None, kind: str) -> Prior:
    """A trained prior, or one with random weights in the shape of the shipped recipe."""
    import importlib
    from dataclasses import replace

    from vqaudio import load
    from vqaudio.training.prior_recipes import PRIOR_RECIPES

    if name is not None:
        return load(name)
    config = PRIOR_RECIPES[f"fsdd-8khz-{kind}"].prior
    labels = {"label_kinds": ("digit", "speaker"), "label_values": (tuple("0123456789"), tuple("abcdef"))}
    config = replace(config, stages=((1, 1, 256),) * 8, n_examples=1, **labels)
    return importlib.import_module(f"vqaudio.{config.module}").MODEL(config).eval()


def generate(prior: Prior, seconds: float, seed: int, **sampling) -> None:
    kind, values = next(iter(prior.labels.items()))
    labels, generator = {kind: values[0]}, torch.Generator().manual_seed(seed)
    blank = prior.blank(labels, seconds, generator)
    prior.fill(blank, blank.valid[:, None].expand(blank.ids.shape), labels, generator=generator, **sampling)


def without_cache(prior: Prior, seconds: float, seed: int) -> None:
    prior.use_cache = False
    try:
        generate(prior, seconds, seed, guidance=1.0)
    finally:
        prior.use_cache = True


if __name__ == "__main__":
    tyro.cli(main)
