"""How long priors take to write one second of new codes on one CPU thread.

The masked prior with its default steps, with and without guidance; the autoregressive one with and without its cache of keys
and values. CPU time, medians of interleaved turns; weights do not change the speed, and without trained ones random ones of the
recipes' shapes are used.

    python -m benchmarks.prior --json benchmarks/results/prior.json
"""

from functools import partial
from pathlib import Path

import torch
import tyro

from benchmarks.measure import cpu_times, table, write_json
from vqaudio.prior import Prior


def main(
    masked: str | None = "fsdd-8khz-masked", autoregressive: str | None = "fsdd-8khz-autoregressive",
    lengths_s: tuple[float, ...] = (0.43, 1.0, 2.0, 4.0), repeats: int = 3, seed: int = 0, json: Path | None = None,
) -> None:
    """Print seconds of CPU time per second of audio that priors generate.

    Args:
        masked, autoregressive: names in weights/, or folders; None for random weights of the recipe's shape.
        lengths_s: seconds of the clip that is generated, one clip at a time.
        repeats: turns of each contestant; the median counts.
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
    write_json(json, results)


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
