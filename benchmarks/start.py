"""Time from `python app.py` to the first page, against bare imports.

Both are interleaved, each in its own process. On a shared machine, CPU time says more than wall-clock time.

    python -m benchmarks.start --json benchmarks/results/start.json
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import tyro

from benchmarks.measure import table, write_json
from vqaudio.serving import running

ROOT = Path(__file__).resolve().parent.parent
FLOOR = "import gradio, torch"
TO_REACH_S = 6


def main(repeats: int = 5, folder: Path = ROOT, floor: str = FLOOR, json: Path | None = None) -> None:
    """Print wall-clock and CPU seconds until the page answers.

    Args:
        repeats: of each, after one warm-up run.
        folder: where app.py is.
        floor: the Python statement to compare with.
        json: also write the numbers to this file.
    """
    times = {"start to first page": [], floor: []}
    for turn in range(repeats + 1):
        for name, measured in (("start to first page", start_s(folder)), (floor, import_s(floor))):
            times[name] += [measured] if turn else []
    wall_s, cpu_s = ({name: median(pair[i] for pair in pairs) for name, pairs in times.items()} for i in (0, 1))
    rows = [(name, f"{wall_s[name]:.1f}", f"{cpu_s[name]:.1f}", f"{cpu_s[name] / cpu_s[floor]:.2f}") for name in times]
    print(table(("", "wall s", "CPU s", "ratio"), rows))
    print(f"to reach: {TO_REACH_S} s on the clock, on two cores that do nothing else; load before: {os.getloadavg()[0]:.1f}")
    write_json(json, {"repeats": repeats, "wall_s": wall_s, "cpu_s": cpu_s})


def start_s(folder: Path) -> tuple[float, float]:
    """(wall-clock seconds, CPU seconds) from the start of the app to its first page."""
    with tempfile.TemporaryDirectory() as scratch, running(folder, Path(scratch) / "log.txt") as (_, process, seconds):
        return seconds, cpu_s_of(process.pid)


def import_s(statement: str) -> tuple[float, float]:
    """(wall-clock seconds, CPU seconds) of a Python process that runs one statement."""
    before, started = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    after, seconds = os.times(), time.perf_counter() - started
    return seconds, after.children_user + after.children_system - before.children_user - before.children_system


def cpu_s_of(process: int) -> float:
    """The CPU seconds of a running process. On Linux."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    tyro.cli(main)
