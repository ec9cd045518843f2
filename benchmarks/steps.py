"""New clips by a diffusion prior in few and many steps, beside other priors: quality, CPU time and energy, in one run.

Accuracy is a judge's; Fréchet distances are to the decoded clips of the validation part, in a judge's features. CPU seconds are
those of sampling and decoding one clip on one thread; joules are estimated from them.

    python -m benchmarks.steps --data DIR --json benchmarks/results/steps.json
"""

import time
from pathlib import Path

import torch
import tyro

from benchmarks.measure import table, write_json
from vqaudio import hub
from vqaudio.data import load_split
from vqaudio.energy.record import of_processor_time
from vqaudio.evaluation import prior_evaluation as measure


def main(
    prior: str = "fsdd-8khz-diffusion", beside: tuple[str, ...] = ("fsdd-8khz-masked", "fsdd-8khz-autoregressive"),
    codec: str = "fsdd-8khz", judges: tuple[str, ...] = ("fsdd-judge-digit", "fsdd-judge-speaker"), dataset: str = "fsdd",
    data: Path | None = None, steps: tuple[int, ...] = (1, 2, 4, 8, 16, 32), clips: int = 240, seed: int = 0,
    json: Path | None = None,
) -> None:
    """Print a table with a row for each number of steps, and one for each other prior with its own settings.

    Args:
        prior: a diffusion prior.
        beside: other priors of the codec.
        codec, judges: models in weights/, or folders.
        dataset, data: of the validation clips.
        steps: of the diffusion prior.
        clips: to generate for each row.
        seed: of the random numbers; the same for each row.
        json: also write the numbers to this file.
    """
    torch.set_num_threads(1)
    sounds_of, listeners = hub.load(codec), [hub.load(name) for name in judges]
    real = measure.decoded(sounds_of, load_split(dataset, "validation", data, sounds_of.sample_rate))
    features = [measure.embeddings(judge, real.sounds)[0] for judge in listeners]
    contestants = {f"{prior}, {n} step{'s' * (n > 1)}": (hub.load(prior), {"steps": n}) for n in steps}
    contestants |= {name: (hub.load(name), {}) for name in beside}
    results = {}
    for name, (sampler, settings) in contestants.items():
        started = time.process_time()
        made, _ = measure.generate_evenly(sounds_of, sampler, clips, torch.Generator().manual_seed(seed), **settings)
        cpu_s = (time.process_time() - started) / clips
        found = {"cpu_s": cpu_s, "joules": of_processor_time(cpu_s)}
        for judge, reference in zip(listeners, features):
            vectors, logits = measure.embeddings(judge, made.sounds)
            right = logits.argmax(1) == made.wanted[judge.config.target]
            found[judge.config.target] = {"accuracy": float(right.float().mean()), "frechet": measure.frechet(vectors, reference)}
        results[name] = found
        print(name, found, flush=True)
    kinds = [judge.config.target for judge in listeners]
    header = ("", *(f"{kind} %" for kind in kinds), *(f"Fréchet, {kind}" for kind in kinds), "CPU s", "J, estimated")
    rows = [
        (
            name, *(f"{100 * row[kind]['accuracy']:.1f}" for kind in kinds), *(f"{row[kind]['frechet']:.1f}" for kind in kinds),
            f"{row['cpu_s']:.3f}", f"{row['joules']:.2f}",
        )
        for name, row in results.items()
    ]
    print(table(header, rows))
    write_json(json, {"clips": clips, "rows": results})


if __name__ == "__main__":
    tyro.cli(main)
