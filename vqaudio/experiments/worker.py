"""Train and measure one run of an experiment.

`run` does it in the calling process: a scheduler's task. `Starter` gives each run its own process on this machine.
"""

import csv
import json
import multiprocessing
import os
import re
import signal
import sys
from pathlib import Path

from vqaudio.errors import InputError
from vqaudio.experiments.job import Failed, Job, Stopped
from vqaudio.experiments.measures import measures
from vqaudio.files import replace_file

LOG = "log.txt"
PROGRESS = re.compile(r"\d+%\|")  # a progress bar
LOADED = ("vqaudio.training.recipes", "vqaudio.training.prior_recipes", "vqaudio.evaluation.codec_evaluation", "pesq", "pystoi")


def run(job: Job) -> dict:
    """Train and measure one run in this process.

    Returns:
        Its record, which is also written to its folder.

    Raises:
        Failed, Stopped
    """
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
    """Train, from the last checkpoint if there is one."""
    from vqaudio.training import setup

    data = ["--data", str(job.data)] if job.data else []
    resume = ["--resume"] if (job.folder / "checkpoint.pt").exists() else []
    device = [] if job.device == "auto" else ["--loop.device", job.device]
    setup.run_command(job.run.kind, [*job.run.arguments(), *device, *data, "--out", str(job.folder), *resume])


class Starter:
    """Runs each job in its own process on this machine, and can stop them all.

    Where the system can, the processes are forks of one that has already imported the slow packages.
    """

    def __init__(self):
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        self._context = multiprocessing.get_context(method)
        if method == "forkserver":
            self._context.set_forkserver_preload(list(LOADED))
        self.stopped, self._running = False, set()

    def __call__(self, job: Job) -> dict:
        """Run the job and return its record; raises Failed or Stopped."""
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
        """Ask every process to stop after its current step; each leaves a checkpoint."""
        self.stopped = True
        for process in list(self._running):
            process.terminate()


def _in_process(job: Job) -> None:
    """Body of a process of `Starter`; exit codes: 0, 2 if it failed, 130 if stopped."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # the parent process handles Ctrl-C and asks this one to stop
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
    """The error that a failed process printed.

    Without one, its last line that is no progress bar.
    """
    said = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    said = [line for line in said if not PROGRESS.search(line)]
    errors = [line for line in said if line.startswith("vqaudio: ")] or said
    last = errors[-1].removeprefix("vqaudio: ") if errors else f"the process ended with code {code}"
    return f"{last} ({path})"


def measured(job: Job) -> dict:
    """The record of a trained run: see `records`."""
    plan, training = job.run, json.loads((job.folder / "training.json").read_text())
    with (job.folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    looks = [row for row in rows if any(value and name.startswith("validation_") for name, value in row.items())]
    last = {name.removeprefix("validation_"): float(value) for name, value in looks[-1].items() if value and "validation" in name}
    training_facts = {name: training[name] for name in ("steps", "seconds", "device", "threads", "torch", "finished")}
    train = " ".join(["vqaudio train", plan.kind, *plan.arguments()])
    return {
        "key": plan.key, "setting": plan.setting, "seed": plan.seed, "train": train, **training_facts,
        "measures": measures(job, last), "curves": _curves(rows),
    }


def _curves(rows: list[dict]) -> dict[str, dict[str, list[float]]]:
    """Map columns of metrics.csv to steps and values; stage perplexities are averaged.

    Keeps the training loss, bits and gradient norms, and all of validation.
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

