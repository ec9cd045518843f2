"""The training loop: one process, or several under torchrun (gloo on CPUs, nccl on GPUs).

Every random number of a step follows from (seed, step, rank), and so does the batch; a checkpoint therefore needs only
weights, optimisers and the step, and a resumed run is the same to the bit.
"""

import csv
import errno
import json
import math
import os
import platform
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from vqaudio import audio, devices, ranges
from vqaudio.energy.training_run import RunMeter
from vqaudio.errors import InputError
from vqaudio.files import replace_file


@dataclass(frozen=True)
class LoopConfig:
    """How long a run is, and what it writes on its way."""

    steps: ranges.Count = 2000
    """Training steps in all."""
    log_every: ranges.Count = 50
    """Steps between two rows of metrics.csv."""
    validate_every: ranges.Count = 500
    """Steps between two looks at the validation part."""
    checkpoint_every: ranges.Count = 500
    """Steps between two checkpoints."""
    seed: ranges.Seed = 0
    device: ranges.Name = "auto"
    """auto, cpu, cuda or mps."""
    tensorboard: bool = False
    """Also write TensorBoard events."""
    energy: bool = False
    """Also record joules and CO2e in training.json; see `vqaudio.energy.record`."""
    region: ranges.Name | None = None
    """For the CO2e: a country's code of three letters; by default $VQAUDIO_REGION, else the world's mean."""


class Task(Protocol):
    """What the loop trains."""

    modules: dict[str, nn.Module]
    optimisers: dict[str, torch.optim.Optimizer]
    learning_rates: dict[str, float]

    def train_step(self, step: int) -> dict[str, Tensor]:
        """One optimisation step; its scalars, with the same names at every step."""

    def validate(self) -> dict[str, float]:
        """Scalars on the validation part; the first one chooses the best weights, lower is better."""

    def sounds(self) -> dict[str, tuple[Tensor, int]]:
        """Examples to hear: name -> (audio [1, N], rate). May be empty."""

    def export(self, folder: Path) -> None:
        """Write the model in the layout of weights/."""


@dataclass(frozen=True)
class Place:
    """This process among all that train together."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @classmethod
    def join(cls, device_name: str) -> "Place":
        """Join torchrun's process group where there is one."""
        device = devices.pick(device_name)
        if device.type == "cuda":
            torch.set_float32_matmul_precision("high")
            torch.backends.cudnn.allow_tf32 = True
            torch.backends.cudnn.benchmark = True
        if "RANK" not in os.environ:
            return cls(device)
        rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        if device.type == "cuda":
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
            torch.cuda.set_device(device)
        if not dist.is_initialized():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return cls(device, rank, world)

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module on this device, its gradients averaged over the processes; its forward must return the loss."""
        module = module.to(self.device)
        if self.world == 1:
            return module
        return DistributedDataParallel(module, broadcast_buffers=False)


def schedule(step: int, steps: int, warmup: int = 200) -> float:
    """The share of the peak learning rate at a step: a linear rise, then half a cosine down to 1 %."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def fit(task: Task, config: LoopConfig, folder: Path, place: Place, resume: bool = False) -> dict[str, float]:
    """Train to config.steps; writes metrics.csv, checkpoint.pt, sounds/, last/ and best/ into `folder`.

    Returns:
        the last validation's scalars.

    Raises:
        InputError: the folder already holds a run and `resume` is False, or its checkpoint belongs to another run.
    """
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists() and not resume:
        raise InputError(f"{folder} already holds a run: continue it with --resume, or choose another --out.")
    folder.mkdir(parents=True, exist_ok=True)
    start, best = _restore(task, config, checkpoint, place) if checkpoint.exists() else (0, float("inf"))
    observer = _Observer(task, config, folder, start, best, place) if place.rank == 0 else None
    stop = _StopRequest()
    for step in range(start, config.steps):
        scalars = _train_step(task, config, step, place.rank)
        done = step + 1
        stopping = stop.asked  # looked at once: what is asked for while this step is written down ends the next one
        last = done == config.steps or stopping
        if observer:
            observer.see(scalars, done, last)
            if last or done % config.checkpoint_every == 0:
                _save(task, config, checkpoint, done, observer.best)
                _describe_run(folder, done, place, observer.log.spent_s, observer.meter.record(done))
        if stopping:
            raise KeyboardInterrupt(f"stopped after step {done}; the same command with --resume goes on from there.")
    if observer is None:
        return {}
    task.export(folder / "last")
    return observer.validation


def _train_step(task: Task, config: LoopConfig, step: int, rank: int) -> dict[str, Tensor]:
    seed_step(config.seed, step, rank)
    for name, optimiser in task.optimisers.items():
        for group in optimiser.param_groups:
            group["lr"] = task.learning_rates[name] * schedule(step, config.steps)
    return task.train_step(step)


class _Observer:
    """What the first process does beside training: the progress bar, the log, validation, and the best weights."""

    def __init__(self, task: Task, config: LoopConfig, folder: Path, start: int, best: float, place: Place):
        self.meter = RunMeter(folder / "training.json", start, str(place.device) if config.energy else None, config.region)
        self.task, self.config, self.folder, self.best = task, config, folder, best
        self.log = _Log(folder, start, config.tensorboard)
        self.bar = tqdm(total=config.steps, initial=start, unit="step", mininterval=2, smoothing=0.05)
        self.validation: dict[str, float] = {}
        self._sums: dict[str, Tensor] = {}
        self._count = 0

    def see(self, scalars: dict[str, Tensor], done: int, last: bool) -> None:
        """Take in a step's scalars; log their means and validate when it is time."""
        for name, value in scalars.items():
            self._sums[name] = self._sums.get(name, 0) + value.detach()
        self._count += 1
        self.bar.update()
        validate = last or done % self.config.validate_every == 0
        if validate:
            self._validate(done)
        if validate or done % self.config.log_every == 0:
            means = {name: float(value) / self._count for name, value in self._sums.items()}
            self._sums, self._count = {}, 0
            self.log.write(done, means, self.validation if validate else {})
            self.bar.set_postfix({name: f"{value:.3g}" for name, value in (means | self.validation).items()}, refresh=False)
        if last:
            self.bar.close()

    def _validate(self, done: int) -> None:
        self.validation = self.task.validate()
        score = next(iter(self.validation.values()))
        if score < self.best:
            self.best = score
            self.task.export(self.folder / "best")
        for name, (sound, rate) in self.task.sounds().items():
            path = self.folder / "sounds" / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            audio.save(path, sound, rate)
            self.log.write_sound(name, sound, done, rate)


def _describe_run(folder: Path, steps: int, place: Place, seconds: float, energy: dict | None) -> None:
    """Write training.json: how these weights came about, for the model card; also of a run that is stopped early."""
    described = {
        "command": " ".join(["vqaudio", *sys.argv[1:]]), "steps": steps, "seconds": seconds,
        "processes": place.world, "threads": torch.get_num_threads(), "device": _device_name(place.device),
        "torch": torch.__version__, "finished": time.strftime("%Y-%m-%d"),
    } | ({"energy": energy} if energy else {})
    replace_file(folder / "training.json", lambda path: path.write_text(json.dumps(described, indent=1) + "\n"))


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {os.cpu_count()} cores, {platform.machine()}"


def seed_step(seed: int, step: int, rank: int) -> None:
    """Make every random number of this step follow from these three."""
    torch.manual_seed(hash((seed, step, rank)) % 2**63)


def _save(task: Task, config: LoopConfig, path: Path, step: int, best: float) -> None:
    state = {
        "step": step, "best": best, "loop": asdict(config),
        "modules": {name: module.state_dict() for name, module in task.modules.items()},
        "optimisers": {name: optimiser.state_dict() for name, optimiser in task.optimisers.items()},
    }
    replace_file(path, lambda temporary: _write_state(state, temporary))


def _write_state(state: dict, path: Path) -> None:
    try:
        torch.save(state, path)
    except RuntimeError:  # what torch says where a write fails, whatever the reason
        raise OSError(errno.ENOSPC, "the disk is full, or writing failed in another way", str(path)) from None


def _restore(task: Task, config: LoopConfig, path: Path, place: Place) -> tuple[int, float]:
    try:
        state = torch.load(path, map_location=place.device, weights_only=True)
        for name, module in task.modules.items():
            module.load_state_dict(state["modules"][name])
        for name, optimiser in task.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
    except (RuntimeError, KeyError, ValueError, EOFError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{path} is damaged, or belongs to a run with other settings: {reason}") from None
    if state["loop"]["seed"] != config.seed or state["loop"]["steps"] != config.steps:
        raise InputError(f"{path} belongs to a run with other settings (seed or steps): start anew with another --out.")
    return state["step"], state["best"]


class _StopRequest:
    """Turns a first Ctrl-C or SIGTERM into a stop after the step in hand."""

    def __init__(self):
        self.asked = False
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self._ask)
        except ValueError:  # not in the main thread: a test or a notebook
            pass

    def _ask(self, number, frame):
        self.asked = True
        signal.signal(number, signal.SIG_DFL)


class _Log:
    """metrics.csv, and TensorBoard if asked. On resuming, rows behind the checkpoint are cut."""

    def __init__(self, folder: Path, start: int, tensorboard: bool):
        self.path, self.began = folder / "metrics.csv", time.monotonic()
        self.rows = []
        if self.path.exists() and start:
            with self.path.open(newline="") as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["step"]) <= start]
        self.spent_before_s = float(self.rows[-1]["seconds"]) if self.rows else 0.0
        self.board = None
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise InputError("TensorBoard is not there: `pip install tensorboard`, or drop --loop.tensorboard.") from None
            self.board = SummaryWriter(folder / "tensorboard", purge_step=start)

    @property
    def spent_s(self) -> float:
        """Seconds of training so far, those before a resumption included."""
        return self.spent_before_s + time.monotonic() - self.began

    def write_sound(self, name: str, sound: Tensor, step: int, rate: int) -> None:
        if self.board:
            self.board.add_audio(name, sound, step, rate)

    def write(self, step: int, training: dict, validation: dict) -> None:
        row = {"step": step, "seconds": round(self.spent_s, 1)}
        row |= {f"train_{name}": f"{value:.6g}" for name, value in training.items()}
        row |= {f"validation_{name}": f"{value:.6g}" for name, value in validation.items()}
        self.rows.append(row)
        columns = list(dict.fromkeys(name for one in self.rows for name in one))
        replace_file(self.path, lambda path: self._write_rows(path, columns))
        if self.board:
            for name, value in row.items():
                self.board.add_scalar(name, float(value), step)

    def _write_rows(self, path: Path, columns: list[str]) -> None:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(self.rows)
