"""What the benchmarks share: CPU time of interleaved contestants, the machine in words, a table, a JSON file."""

import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from vqaudio.energy.record import processor


def cpu_times(contestants: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """The median CPU time of each contestant in seconds, after one run that is not counted.

    The contestants take turns, so that a machine that others use hurts all of them alike; CPU time, unlike the clock on
    the wall, does not count the time in which others run.
    """
    taken = {name: [] for name in contestants}
    for turn in range(repeats + 1):
        for name, run in contestants.items():
            started = time.process_time()
            run()
            if turn:
                taken[name].append(time.process_time() - started)
    return {name: median(times) for name, times in taken.items()}


def machine() -> dict[str, str | int]:
    """The processor, the versions of Python and torch, and the number of threads in use."""
    return {
        "processor": processor(), "instructions": torch.backends.cpu.get_cpu_capability(), "python": platform.python_version(),
        "torch": torch.__version__, "threads": torch.get_num_threads(),
    }


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table: the first column to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    ruler = tuple("-" * widths[0] if i == 0 else "-" * (widths[i] - 1) + ":" for i in range(len(widths)))

    def line(row):
        cells = (cell.ljust(widths[i]) if i == 0 else cell.rjust(widths[i]) for i, cell in enumerate(row))
        return f"| {' | '.join(cells)} |"

    return "\n".join(line(row) for row in [header, ruler, *rows])


def write_json(path: Path | None, results: dict) -> None:
    """Write the results and the machine's description to `path`, if there is one."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"machine": machine(), **results}, indent=2) + "\n")
