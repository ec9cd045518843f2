"""Sampling of WaveNet on one CPU thread: cached layer states against none, and against real time.

Without a cache, a sample costs the whole receptive field. That is measured over a few samples behind a full receptive field, as
most of a second is, and stands for all of the second's.

    python -m benchmarks.wavenet --json benchmarks/results/wavenet.json
"""

from pathlib import Path
from time import process_time

import torch
import tyro

from benchmarks.measure import table, write_json
from vqaudio.nn.wavenet import WaveNet


def main(
    sample_rate: int = 8000, channels: int = 24, skip_channels: int = 48, layers: int = 10, stacks: int = 2, hop: int = 160,
    seconds: float = 1.0, uncached_samples: int = 20, seed: int = 0, json: Path | None = None,
) -> None:
    """Sample `seconds` of sound and print how long it takes.

    Args:
        sample_rate: Hz.
        channels: of the residual path.
        skip_channels: of the path to the output.
        layers: of a stack, dilated by 1, 2, 4, ...
        stacks: of layers.
        hop: samples a column of the condition.
        seconds: of sound.
        uncached_samples: that are computed without a cache.
        seed: of the weights and the samples.
        json: also write the numbers to this file.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = WaveNet(channels, skip_channels, tuple(2**i for i in range(layers)) * stacks, 64, hop).eval()
    n = round(seconds * sample_rate)
    condition = torch.randn(-(-n // hop), 64)
    model.sample(condition, torch.Generator().manual_seed(seed), n=2)  # compiles the loop
    started = process_time()
    classes = model.sample(condition, torch.Generator().manual_seed(seed), n=n)
    cached_s = process_time() - started
    uncached_s = n * _uncached_sample_s(model, condition, classes, uncached_samples)
    results = {
        "sample_rate": sample_rate, "channels": channels, "skip_channels": skip_channels, "layers": layers * stacks,
        "receptive_field": model.receptive_field, "seconds": seconds, "cached_cpu_s": round(cached_s, 3),
        "uncached_cpu_s": round(uncached_s, 1), "speed_up": round(uncached_s / cached_s, 1),
        "times_real_time": round(seconds / cached_s, 2),
    }
    times = {"cached": cached_s, "uncached": uncached_s}
    rows = [(name, f"{taken:.2f}", f"{seconds / taken:.4f}") for name, taken in times.items()]
    print(table(("", f"CPU s for {seconds:g} s", "times real time"), rows))
    print(f"cached is {uncached_s / cached_s:.0f} times as fast")
    write_json(json, results)


@torch.no_grad()
def _uncached_sample_s(model: WaveNet, condition: torch.Tensor, classes: torch.Tensor, n: int) -> float:
    """CPU seconds of one sample without a cache, a mean over the last `n`."""
    conditions = model._conditions(condition[None])
    started = process_time()
    for t in range(len(classes) - n, len(classes)):
        first = max(0, t + 1 - model.receptive_field)
        model._logits(classes[None, first:t], conditions, first)
    return (process_time() - started) / n


if __name__ == "__main__":
    tyro.cli(main)
