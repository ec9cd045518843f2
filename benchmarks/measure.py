"""Shared by the benchmarks: CPU times, the machine, tables and JSON."""

import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from vqaudio.energy.record import processor


def cpu_times(contestants: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median CPU time of each contestant in seconds, after one warm-up run.

    The contestants are interleaved, so that other users of the machine affect all of them alike; CPU time, unlike wall-clock
    time, leaves out the time in which others run.
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
    """Describe the processor, Python, torch, and the number of threads."""
    return {
        "processor": processor(), "instructions": torch.backends.cpu.get_cpu_capability(), "python": platform.python_version(),
        "torch": torch.__version__, "threads": torch.get_num_threads(),
    }


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Format a Markdown table: the first column left-aligned, numbers right-aligned."""
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
