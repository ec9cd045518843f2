"""One run of an experiment: trained by `vqaudio train`, then measured.

`run` does that in the process that calls it: a scheduler's task. `Starter` gives each run a process of its own on this machine.
"""

import csv
import json
import multiprocessing
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from vqaudio.errors import InputError
from vqaudio.experiments.plan import Run
from vqaudio.files import replace_file

LOG = "log.txt"
LOADED = ("vqaudio.training.recipes", "vqaudio.training.prior_recipes", "vqaudio.evaluation.codec_evaluation", "pesq", "pystoi")


@dataclass(frozen=True)
class Job:
    """A run with where it trains and on what; small, for it travels to other processes.

    Attributes:
        folder: of the run: checkpoints, metrics.csv, the model, what was measured.
        data: the dataset's folder, or None for the usual place.
        threads: of the process; None leaves them to it.
    """

    run: Run
    folder: Path
    data: Path | None = None
    device: str = "auto"
    threads: int | None = None

    @property
    def record_path(self) -> Path:
        """What was measured of the run; another way of measuring has another file."""
        how = "".join(f"-{name}{value}" for name, value in sorted(self.run.measuring.items()))
        return self.folder / f"measured{how}.json"


class Failed(Exception):
    """A run could not be trained or measured; the message is one sentence."""


class Stopped(Exception):
    """A run was stopped; it has a checkpoint to go on from, if it came that far."""


def run(job: Job) -> dict:
    """Train and measure one run in this process; returns its record, which also lies in its folder. Raises Failed or Stopped."""
    import torch

    if job.record_path.exists():
        return json.loads(job.record_path.read_text())
    job.folder.mkdir(parents=True, exist_ok=True)
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    try:
        if not (job.folder / "last" / "config.json").is_file():
            _train(job)
        record = measured(job)
    except InputError as error:
        raise Failed(str(error)) from None
    except KeyboardInterrupt:
        raise Stopped from None
    replace_file(job.record_path, lambda path: path.write_text(json.dumps(record) + "\n"))
    return record


def _train(job: Job) -> None:
    """Call the training command; what was interrupted goes on."""
    from vqaudio.cli import train

    data = ["--data", str(job.data)] if job.data else []
    resume = ["--resume"] if (job.folder / "checkpoint.pt").exists() else []
    device = [] if job.device == "auto" else ["--loop.device", job.device]
    arguments = [*job.run.arguments(), *device, *data, "--out", str(job.folder), *resume]
    before, sys.argv = sys.argv, ["vqaudio", "train", job.run.kind, *arguments]  # which training.json keeps
    try:
        {"codec": train.codec, "prior": train.prior, "judge": train.judge}[job.run.kind](arguments)
    finally:
        sys.argv = before


class Starter:
    """Gives each job a process of its own on this machine, and remembers them, so that all can be stopped.

    The processes are forks of one that has loaded what takes long to load, where the system can do that.
    """

    def __init__(self):
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        self._context = multiprocessing.get_context(method)
        if method == "forkserver":
            self._context.set_forkserver_preload(list(LOADED))
        self.stopped, self._running = False, set()

    def __call__(self, job: Job) -> dict:
        """The record of the job's run, when it is done. Raises Failed or Stopped."""
        if self.stopped:
            raise Stopped
        job.folder.mkdir(parents=True, exist_ok=True)
        process = self._context.Process(target=_in_process, args=(job,))
        process.start()
        self._running.add(process)
        try:
            process.join()
        finally:
            self._running.discard(process)
        if process.exitcode == 0:
            return json.loads(job.record_path.read_text())
        if self.stopped or process.exitcode == 130:
            raise Stopped
        raise Failed(_last_words(job.folder / LOG, process.exitcode))

    def stop(self) -> None:
        """Ask every process to stop after the step in hand; each leaves a checkpoint."""
        self.stopped = True
        for process in list(self._running):
            process.terminate()


def _in_process(job: Job) -> None:
    """What a process of `Starter` does; it ends with code 0, 2 for what failed, 130 for what was stopped."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # Ctrl-C is for the process that started this one, which asks it to stop
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (job.folder / LOG).open("w") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    try:
        run(job)
    except Failed as error:
        print(f"vqaudio: {error}", file=sys.stderr)
        sys.exit(2)
    except Stopped:
        sys.exit(130)


def _last_words(path: Path, code: int) -> str:
    """What a process that failed said last."""
    said = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    last = said[-1].removeprefix("vqaudio: ") if said else f"the process ended with code {code}"
    return f"{last} ({path})"


def measured(job: Job) -> dict:
    """The record of a trained run: see `records`."""
    from vqaudio.experiments.measures import measures

    asked, training = job.run, json.loads((job.folder / "training.json").read_text())
    with (job.folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    looks = [row for row in rows if any(value and name.startswith("validation_") for name, value in row.items())]
    last = {name.removeprefix("validation_"): float(value) for name, value in looks[-1].items() if value and "validation" in name}
    told = {name: training[name] for name in ("steps", "seconds", "device", "threads", "torch", "finished")}
    train = " ".join(["vqaudio train", asked.kind, *asked.arguments()])
    return {
        "key": asked.key, "setting": asked.setting, "seed": asked.seed, "train": train, **told,
        "measures": measures(job, last), "curves": _curves(rows),
    }


def _curves(rows: list[dict]) -> dict[str, dict[str, list[float]]]:
    """Column of metrics.csv -> its steps and values there; the stages' perplexities as their mean.

    Of training `loss`, `bits` and the gradients' norms, of validation everything.
    """
    each = [name for name in rows[0] if name.startswith("train_perplexity_")]
    wanted = ("validation_", "train_gradient_", "train_loss", "train_bits")
    kept = [name for name in rows[0] if name.startswith(wanted)]
    curves = {}
    for name in kept:
        points = [(int(row["step"]), float(row[name])) for row in rows if row[name]]
        curves[name] = {"step": [step for step, _ in points], "value": [value for _, value in points]}
    if each:
        means = [sum(float(row[name]) for name in each) / len(each) for row in rows]
        curves["train_perplexity"] = {"step": [int(row["step"]) for row in rows], "value": means}
    return curves

