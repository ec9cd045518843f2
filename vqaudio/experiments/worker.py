"""One run of an experiment, in a process of its own: trained by `vqaudio train`, then measured.

`execute` is what a scheduler is handed: it starts that process, here or on the machine where it is called.
"""

import csv
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from vqaudio.errors import InputError
from vqaudio.experiments.plan import Run
from vqaudio.hub import replace_file

LOG = "log.txt"


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


class Starter:
    """Starts the processes of jobs on this machine and remembers them, so that all can be stopped."""

    def __init__(self):
        self.stopped, self._running = False, set()

    def __call__(self, job: Job) -> dict:
        """The record of the job's run, when it is done. Raises Failed or Stopped."""
        if self.stopped:
            raise Stopped
        job.folder.mkdir(parents=True, exist_ok=True)
        environment = dict(os.environ)
        if job.threads is not None:
            environment["OMP_NUM_THREADS"] = str(job.threads)
        with (job.folder / LOG).open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "vqaudio.experiments.worker"], stdin=subprocess.PIPE, stdout=log, stderr=log, text=True,
                env=environment, process_group=0,  # Ctrl-C is for the process that started it, which asks it to stop
            )
            self._running.add(process)
            try:
                process.communicate(json.dumps(asdict(job), default=str))
            finally:
                self._running.discard(process)
        if process.returncode == 0:
            return json.loads(job.record_path.read_text())
        if self.stopped or process.returncode == 130:
            raise Stopped
        raise Failed(_last_words(job.folder / LOG, process.returncode))

    def stop(self) -> None:
        """Ask every process to stop after the step in hand; each leaves a checkpoint."""
        self.stopped = True
        for process in list(self._running):
            process.send_signal(signal.SIGTERM)


def execute(job: Job) -> dict:
    """Train and measure one run in a process of its own, wherever this is called; returns its record.

    Raises Failed or Stopped. This is all that a scheduler needs to know.
    """
    return Starter()(job)


def _last_words(path: Path, code: int) -> str:
    """What a process that failed said last."""
    said = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    last = said[-1].removeprefix("vqaudio: ") if said else f"the process ended with code {code}"
    return f"{last} ({path})"


# In the process itself


def main() -> int:
    """Reads a job from standard input. Returns the exit code, as `vqaudio.cli.main` does."""
    from vqaudio.cli import main as vqaudio

    told = json.load(sys.stdin)
    paths = {"folder": Path(told["folder"]), "data": Path(told["data"]) if told["data"] else None}
    job = Job(**told | {"run": Run(**told["run"])} | paths)
    if not (job.folder / "last" / "config.json").is_file():
        sys.argv = ["vqaudio", *_training(job)]
        code = vqaudio(sys.argv[1:])
        if code:
            return code
    try:
        record = measured(job)
    except InputError as error:
        print(f"vqaudio: {error}", file=sys.stderr)
        return 2
    replace_file(job.record_path, lambda path: path.write_text(json.dumps(record) + "\n"))
    return 0


def _training(job: Job) -> list[str]:
    """The training command's arguments; what was interrupted goes on."""
    data = ["--data", str(job.data)] if job.data else []
    resume = ["--resume"] if (job.folder / "checkpoint.pt").exists() else []
    device = [] if job.device == "auto" else ["--loop.device", job.device]
    return ["train", job.run.kind, *job.run.arguments(), *device, *data, "--out", str(job.folder), *resume]


def measured(job: Job) -> dict:
    """The record of a trained run: see `records`."""
    from vqaudio.experiments.measures import measures

    run, training = job.run, json.loads((job.folder / "training.json").read_text())
    with (job.folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    looks = [row for row in rows if any(value and name.startswith("validation_") for name, value in row.items())]
    last = {name.removeprefix("validation_"): float(value) for name, value in looks[-1].items() if value and "validation" in name}
    told = {name: training[name] for name in ("steps", "seconds", "device", "threads", "torch", "finished")}
    train = " ".join(["vqaudio train", run.kind, *run.arguments()])
    return {
        "key": run.key, "setting": run.setting, "seed": run.seed, "train": train, **told,
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


if __name__ == "__main__":
    sys.exit(main())
