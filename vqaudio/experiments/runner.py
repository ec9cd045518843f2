"""Running an experiment: what is done already is kept, the rest goes to a scheduler, and every run that ends is written down."""

import signal
import sys
from contextlib import closing
from pathlib import Path

from vqaudio.errors import InputError
from vqaudio.experiments import records
from vqaudio.experiments.plan import Experiment, Run
from vqaudio.experiments.scheduling import SCHEDULERS
from vqaudio.experiments.worker import Job, Stopped

MANY = 1000  # runs from which on it is asked


def run(
    experiment: Experiment, target: Path, root: Path, command: str, on: str = "here", at_once: int | None = None,
    data: Path | None = None, device: str = "auto", limits: dict | None = None,
) -> records.Record:
    """Run what is not there yet; `target` holds the finished runs' records at any time.

    Args:
        target: the experiment's .json file; finished runs in it are not run again.
        root: the folder of the runs' own folders; see `Run.folder`.
        on: a name of `scheduling.SCHEDULERS`.

    Raises:
        InputError: what `Experiment.runs` finds wrong, or a run failed.
        KeyboardInterrupt: stopped; says how much is done.
    """
    runs = experiment.runs()
    known = records.read(target).by_identity() if target.exists() else {}
    done = {identity(one): known[identity(one)] for one in runs if identity(one) in known}
    jobs = [Job(one, one.folder(root), data, device) for one in runs if identity(one) not in done]
    found, failed = dict(done), []
    _write(experiment, target, command, runs, found)
    if done:
        print(f"{len(done)} of {len(runs)} runs are in {target} already.", flush=True)
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # to be told to end is as good as Ctrl-C
        for batch in _batches(jobs):
            with closing(SCHEDULERS[on](batch, at_once, limits or {})) as outcomes:
                for job, outcome in outcomes:
                    if isinstance(outcome, Exception):
                        failed += [] if isinstance(outcome, Stopped) else [f"{job.run.name}: {outcome}"]
                        continue
                    found[identity(job.run)] = outcome
                    _write(experiment, target, command, runs, found)
                    print(f"{len(found)} of {len(runs)}: {job.run.name}: {records.in_short(outcome)}", flush=True)
    except KeyboardInterrupt:
        stopped = f"stopped: {len(found)} of {len(runs)} runs are done and kept; the same command goes on from there."
        raise KeyboardInterrupt(stopped) from None
    if failed:
        raise InputError(f"{len(failed)} of {len(runs)} runs failed, the others are kept. The first: {failed[0]}")
    return records.read(target)


def identity(run: Run) -> tuple:
    """What tells a run's record from all others: its training, and how it was measured."""
    return run.key, *sorted(run.measuring.items())


def ask_first(experiment: Experiment, yes: bool) -> None:
    """Where there is nothing or very much to do, ask whether that is meant; InputError if it is not, or nobody is there."""
    size = experiment.size
    if 0 < size < MANY or yes:
        return
    empty = next((name for name, values in experiment.grid.items() if not values), "seeds")
    said = f"it asks for {size:,} runs" if size else f"it asks for no run at all, because {empty} is empty"
    if sys.stdin is None or not sys.stdin.isatty():
        raise InputError(f"{experiment.name}: {said}. If that is meant, say --yes.")
    if input(f"{experiment.name}: {said}. Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise InputError(f"{experiment.name}: nothing was run.")


def _batches(jobs: list[Job]) -> list[list[Job]]:
    """Jobs that can go side by side: of those that share a training, all but the first wait for it."""
    first: dict[Path, Job] = {}
    for job in jobs:
        first.setdefault(job.folder, job)
    rest = [job for job in jobs if first[job.folder] is not job]
    return [batch for batch in (list(first.values()), rest) if batch]


def _write(experiment: Experiment, target: Path, command: str, runs: list[Run], found: dict) -> None:
    ordered = [found[identity(one)] | {"setting": one.setting} for one in runs if identity(one) in found]
    records.write(target, records.Record.of(experiment, command, ordered))
