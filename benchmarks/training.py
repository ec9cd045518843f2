"""Training speed of a codec's recipe here, and an estimate for a GPU.

Steps per core-second are measured in CPU time on one thread, including the making of batches. For a GPU, the arithmetic of a
step is counted (torch's FlopCounterMode: mostly matrix products and convolutions, forward and backward), and so are its
operations. The estimate is the longest of three times: the arithmetic at a tenth of the GPU's rated speed, which is typical
of small convolutional networks; 10 microseconds per operation, the cost of a launch; and the making of the batch on one core of
this machine, in parallel with the GPU.

    python -m benchmarks.training --recipe speech-commands-16khz --data DIR --json benchmarks/results/training.json
"""

import time
from dataclasses import replace
from pathlib import Path

import torch
import tyro
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import write_json
from vqaudio.data import load_split
from vqaudio.training.codec_task import CodecTask
from vqaudio.training.loop import Worker, seed_step
from vqaudio.training.recipes import CODEC_RECIPES
from vqaudio.training.setup import initial_model

GPU, GPU_FLOPS, REACHED = "A100", 312e12, 0.1  # dense bfloat16
LAUNCH_S = 10e-6


class Operations(TorchDispatchMode):
    """Count launched operations."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        self.count += 1
        return function(*arguments, **(options or {}))


def main(
    recipe: str = "fsdd-8khz", data: Path | None = None, steps: int = 3, batch_size: int | None = None, json: Path | None = None
) -> None:
    """Print measured steps per core-second, and estimated hours on one GPU.

    Args:
        recipe: of `vqaudio train codec`.
        data: its dataset's folder.
        steps: to measure, after one warm-up step.
        batch_size: by default the recipe's; the arithmetic is then that of a smaller batch, scaled up.
        json: also write the numbers to this file.
    """
    torch.set_num_threads(1)
    settings = CODEC_RECIPES[recipe]
    wanted = settings.training.batch_size
    training = replace(settings.training, batch_size=batch_size or wanted)
    rate = settings.codec.sample_rate
    train, validation = (load_split(settings.dataset, part, data, rate) for part in ("train", "validation"))
    torch.manual_seed(0)
    task = CodecTask(initial_model(settings), training, train, validation, 0, Worker(torch.device("cpu")))
    spent, making = [], []
    for step in range(steps + 1):
        seed_step(0, step, 0)
        began = time.process_time()
        task.train_step(step)
        spent.append(time.process_time() - began)
        began = time.process_time()
        task.batches.batch(step)
        making.append(time.process_time() - began)
    operations = Operations()
    with FlopCounterMode(display=False) as flops, operations:
        task.train_step(steps + 1)
    scale = wanted / training.batch_size
    core_s, making_s = (sum(times[1:]) / steps * scale for times in (spent, making))
    arithmetic_s = flops.get_total_flops() * scale / (GPU_FLOPS * REACHED)
    gpu_s = max(arithmetic_s, operations.count * LAUNCH_S, making_s)
    hours = gpu_s * settings.loop.steps / 3600
    print(f"{recipe}, {wanted} crops of {training.crop_s:g} s a step, {len(train)} clips")
    print(f"measured: {core_s:.2f} core-seconds a step, of which {making_s:.2f} make the batch (of {training.batch_size})")
    print(f"counted: {flops.get_total_flops() * scale / 1e12:.3f} TFLOP and {operations.count:,} operations a step")
    print(f"estimated: {1 / gpu_s:.1f} steps a second on one {GPU}, {hours:.1f} hours for {settings.loop.steps:,} steps")
    results = {
        "recipe": recipe, "batch_size_measured": training.batch_size, "core_seconds_a_step": round(core_s, 3),
        "of_which_the_batch": round(making_s, 3),
        "flop_a_step": flops.get_total_flops() * scale, "operations_a_step": operations.count,
        "estimated": {"gpu": GPU, "steps_a_second": round(1 / gpu_s, 2), "hours": round(hours, 2), "steps": settings.loop.steps},
    }
    write_json(json, results)


if __name__ == "__main__":
    tyro.cli(main)
