"""Run an experiment: skip finished runs, schedule and record the rest."""

import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from vqaudio.errors import InputError
from vqaudio.experiments import records
from vqaudio.experiments.job import Job, Stopped
from vqaudio.experiments.plan import Experiment, Run
from vqaudio.experiments.scheduling import SCHEDULERS

MANY = 1000  # more runs than this need a confirmation
EVERY_S = 5.0  # seconds between writes of the records


def run(
    experiment: Experiment, target: Path, root: Path, command: str, on: str = "here", at_once: int | None = None,
    data: Path | None = None, device: str = "auto", limits: dict | None = None,
) -> records.Record:
    """Run everything that is not finished; `target` always holds the finished records.

    Args:
        target: the experiment's .json file; runs recorded there are skipped.
        root: the parent of the runs' folders; see `Run.folder`.
        on: a name of `scheduling.SCHEDULERS`.

    Raises:
        InputError: the experiment is invalid (see `Experiment.runs`), or a run failed.
        KeyboardInterrupt: stopped; the message says how many runs are finished.
    """
    runs = experiment.runs()
    known = records.read(target).by_identity() if target.exists() else {}
    done = {identity(one): known[identity(one)] for one in runs if identity(one) in known}
    jobs = [Job(one, one.folder(root), data, device) for one in runs if identity(one) not in done]
    found, failed = dict(done), []
    write = _Writer(experiment, target, command, runs, found)
    write.now()
    if done:
        print(f"{len(done)} of {len(runs)} runs are already in {target}.", flush=True)
    try:
        for job, outcome in _outcomes(jobs, on, at_once, limits or {}):
            if isinstance(outcome, Exception):
                failed += [] if isinstance(outcome, Stopped) else [f"{job.run.name}: {outcome}"]
                continue
            found[identity(job.run)] = outcome
            write.soon()
            print(f"{len(found)} of {len(runs)}: {job.run.name}: {records.in_short(outcome)}", flush=True)
    except KeyboardInterrupt:
        stopped = f"stopped: {len(found)} of {len(runs)} runs are finished and kept; run the same command to continue."
        raise KeyboardInterrupt(stopped) from None
    finally:
        write.now()
    if failed:
        raise InputError(f"{len(failed)} of {len(runs)} runs failed; the others are kept. The first error: {failed[0]}")
    return records.read(target)


def _outcomes(jobs: list[Job], on: str, at_once: int | None, limits: dict) -> Iterator[tuple[Job, dict | Exception]]:
    """Yield every job with its record or its error. SIGTERM stops like Ctrl-C."""
    before = signal.getsignal(signal.SIGTERM)
    mine = threading.current_thread() is threading.main_thread()
    if mine:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for batch in _batches(jobs):
            with closing(SCHEDULERS[on](batch, at_once, limits)) as outcomes:
                yield from outcomes
    finally:
        if mine:
            signal.signal(signal.SIGTERM, before)


def identity(run: Run) -> tuple:
    """The identity of a run's record: its training and how it was measured."""
    return run.key, *sorted(run.measuring.items())


def ask_first(experiment: Experiment, yes: bool) -> None:
    """Confirm an empty or a very large experiment.

    Raises:
        InputError: the answer is no, or there is no terminal to ask on.
    """
    size = experiment.size
    if 0 < size < MANY or yes:
        return
    empty = next((name for name, values in experiment.grid.items() if not values), "seeds")
    said = f"it has {size:,} runs" if size else f"it has no runs, because {empty} is empty"
    if sys.stdin is None or not sys.stdin.isatty():
        raise InputError(f"{experiment.name}: {said}. Confirm with --yes.")
    if input(f"{experiment.name}: {said}. Continue? [y/N] ").strip().lower() not in ("y", "yes"):
        raise InputError(f"{experiment.name}: cancelled, nothing was run.")


def _batches(jobs: list[Job]) -> list[list[Job]]:
    """Batches of jobs that can run in parallel: jobs with one training wait for the first."""
    first: dict[Path, Job] = {}
    for job in jobs:
        first.setdefault(job.folder, job)
    rest = [job for job in jobs if first[job.folder] is not job]
    return [batch for batch in (list(first.values()), rest) if batch]


class _Writer:
    """Writes the finished records in the order of the grid, at most every few seconds."""

    def __init__(self, experiment: Experiment, target: Path, command: str, runs: list[Run], found: dict):
        self.experiment, self.target, self.command, self.runs, self.found = experiment, target, command, runs, found
        self.written = -math.inf

    def soon(self) -> None:
        if time.monotonic() - self.written > EVERY_S:
            self.now()

    def now(self) -> None:
        found = [(one, self.found[identity(one)]) for one in self.runs if identity(one) in self.found]
        ordered = [record | {"setting": one.setting} for one, record in found]
        records.write(self.target, records.Record.of(self.experiment, self.command, ordered))
        self.written = time.monotonic()
