"""The training loop, in one process or several under torchrun.

The batch and every random number of a step follow from (seed, step, rank). A checkpoint therefore needs only weights, optimisers
and the step, and a resumed run is identical to the bit.
"""

import math
import os
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from vqaudio import audio, devices, ranges
from vqaudio.data.seeds import torch_seed
from vqaudio.energy.training_run import RunMeter
from vqaudio.errors import InputError
from vqaudio.files import clear_stale, replace_folder
from vqaudio.training import checkpoints, record, run_file
from vqaudio.training.metrics_log import MetricsLog
from vqaudio.training.record import RunFacts
from vqaudio.training.stop_request import StopRequest

LINE = 99  # characters of a progress line


@dataclass(frozen=True)
class LoopConfig:
    """Length of a run, and what it writes."""

    steps: ranges.Count = 2000
    """Number of training steps."""
    log_every: ranges.Count = 50
    """Steps between rows of metrics.csv."""
    validate_every: ranges.Count = 500
    """Steps between validations."""
    checkpoint_every: ranges.Count = 500
    """Steps between checkpoints."""
    patience: Annotated[int, ranges.Range(0, 1000)] = 0
    """Validations in a row without a better score after which the run stops; 0 for never."""
    snapshots: Annotated[int, ranges.Range(0, 1000)] = 0
    """Models to keep on the way, evenly spaced, in snapshots/, for `vqaudio plot --what map --film`; 0 for none."""
    seed: ranges.Seed = 0
    device: ranges.Name = "auto"
    """auto, cpu, cuda or mps."""
    tensorboard: bool = False
    """Also write TensorBoard events."""
    energy: bool = False
    """Also record joules and CO2e in training.json; see `vqaudio.energy.record`."""
    region: ranges.Name | None = None
    """For the CO2e: a country's three-letter code; by default $VQAUDIO_REGION, else the world's mean."""


class Task(Protocol):
    """A model in training, as the loop sees it."""

    modules: dict[str, nn.Module]
    optimisers: dict[str, torch.optim.Optimizer]
    learning_rates: dict[str, float]

    def train_step(self, step: int) -> dict[str, Tensor]:
        """Take one optimisation step; returns scalars with the same names at every step."""

    def validate(self) -> dict[str, float]:
        """Score the validation part; a lower first scalar picks the best weights."""

    def sounds(self) -> dict[str, tuple[Tensor, int]]:
        """Return examples for listening: name -> (audio [1, N], rate). May be empty."""

    def export(self, folder: Path) -> None:
        """Write the model in the layout of weights/."""


@dataclass(frozen=True)
class Worker:
    """This process among those that train together."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @classmethod
    def join(cls, device_name: str) -> "Worker":
        """Pick the device, and join torchrun's process group if there is one."""
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
        """Move a module here and average its gradients over processes.

        Its forward must return the loss: DDP synchronises nothing else.
        """
        module = module.to(self.device)
        if self.world == 1:
            return module
        return DistributedDataParallel(module, broadcast_buffers=False)


def schedule(step: int, steps: int, warmup: int = 200) -> float:
    """Share of the peak learning rate: a linear rise, then half a cosine down to 1 %."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def fit(
    task: Task, config: LoopConfig, folder: Path, worker: Worker, resume: bool = False, facts: RunFacts | None = None
) -> dict[str, float]:
    """Train up to config.steps, writing metrics, sounds, checkpoints and models.

    `folder` receives metrics.csv, checkpoint.pt, sounds/, last/, best/ and, if wanted, snapshots/. The checkpoint is written
    after everything else of its step: a run whose checkpoint is of the last step, or whose patience ended, is complete, and
    resuming it writes nothing but a missing last/. A run that starts from a model scores it first, and keeps it as the best.

    Args:
        task: what to train.
        config: length of the run, and intervals.
        folder: the run's folder.
        worker: this process.
        resume: continue from the folder's checkpoint.
        facts: settings and data to record.

    Returns:
        the last validation's scalars; empty for a finished run.

    Raises:
        InputError: those of `checkpoints.check_resumable`; or the loss, a gradient, a weight or the validation score is not
            finite, in which case the last checkpoint is kept.
        KeyboardInterrupt: stopped by Ctrl-C or SIGTERM, after a checkpoint.
    """
    facts = facts or RunFacts()
    facts = replace(facts, settings=facts.settings | {"loop": config})
    checkpoints.check_resumable(folder, resume, facts.settings, facts.data, facts.changes_steps)
    checkpoint = folder / checkpoints.FILE
    start, best, stale = checkpoints.restore(checkpoint, task, worker.device) if checkpoint.exists() else (0, math.inf, 0)
    if start >= config.steps or 0 < config.patience <= stale:
        if worker.rank == 0 and not (folder / "last" / "config.json").is_file():  # deleted since: restore it from the checkpoint
            replace_folder(folder / "last", task.export)
        return {}
    folder.mkdir(parents=True, exist_ok=True)
    observer = _Observer(task, config, folder, start, best, stale, worker, facts) if worker.rank == 0 else None
    if observer and not start and facts.start_from:
        observer.consider_start()
    with StopRequest() as stop, closing(observer.bar) if observer else nullcontext():
        for step in range(start, config.steps):
            scalars = _train_step(task, config, step, worker.rank)
            _check_finite(scalars, task, step + 1, folder, worker)
            stopping = stop.asked  # read once per step: a request that arrives while this step is written ends the next one
            if observer:
                observer.see(scalars, step + 1, stopping)
            if stopping and step + 1 < config.steps:
                raise KeyboardInterrupt(f"stopped after step {step + 1}; the same command with --resume goes on from there.")
            if _has_ended(observer, config, step + 1, worker):
                break
    return observer.validation if observer else {}


def _has_ended(observer: "_Observer | None", config: LoopConfig, done: int, worker: Worker) -> bool:
    """Whether patience ended at this step, for all processes alike."""
    if not config.patience or done % config.validate_every:
        return False
    ended = torch.tensor(int(observer is not None and observer.impatient), device=worker.device)
    if worker.world > 1:
        dist.broadcast(ended, 0)
    return bool(ended)


def _train_step(task: Task, config: LoopConfig, step: int, rank: int) -> dict[str, Tensor]:
    seed_step(config.seed, step, rank)
    for name, optimiser in task.optimisers.items():
        for group in optimiser.param_groups:
            group["lr"] = task.learning_rates[name] * schedule(step, config.steps)
    return task.train_step(step)


def _check_finite(scalars: dict[str, Tensor], task: Task, done: int, folder: Path, worker: Worker) -> None:
    """Stop all processes at the same step if any scalar is not finite. Raises InputError."""
    finite = torch.stack([value.detach().isfinite().all().to(worker.device) for value in scalars.values()])
    everywhere = finite.all().int()
    if worker.world > 1:
        dist.all_reduce(everywhere, dist.ReduceOp.MIN)
    if not everywhere:
        (_, loss_is_finite), *others = zip(scalars, finite.tolist())
        bad = [f"{name} {float(scalars[name].detach()):.4g}" for name, is_finite in others if loss_is_finite and not is_finite]
        raise _diverged(scalars, bad[:1], task, done, folder)


def _diverged(scalars: dict[str, Tensor], bad: list[str], task: Task, done: int, folder: Path) -> InputError:
    """Build the error that ends a run: step, loss (the first scalar), `bad` and learning rate."""
    name, loss = next(iter(scalars.items()))
    what = ", ".join([f"{name} {float(loss.detach()):.4g}", *bad])
    rates = [group["lr"] for optimiser in task.optimisers.values() for group in optimiser.param_groups]
    rate = f", learning rate {max(rates):.3g}" if rates else ""
    kept = "The last checkpoint is kept. " if (folder / checkpoints.FILE).exists() else ""
    return InputError(
        f"Training diverged at step {done}: {what}{rate}. {kept}Train with a smaller --training.learning-rate in another --out."
    )


class _Observer:
    """Rank 0's duties: progress bar, log, validation, checkpoints and best weights."""

    def __init__(
        self, task: Task, config: LoopConfig, folder: Path, start: int, best: float, stale: int, worker: Worker, facts: RunFacts
    ):
        clear_stale(folder)
        self.meter = RunMeter(folder / record.FILE, start, str(worker.device) if config.energy else None, config.region)
        self.task, self.config, self.folder, self.best, self.worker, self.facts = task, config, folder, best, worker, facts
        self.stale = stale
        self.log = MetricsLog(folder, start, config.tensorboard)
        run_file.write(folder, facts, record.device_name(worker.device))
        print(_start_line(task, facts, folder), flush=True)
        self.bar = tqdm(total=config.steps, initial=start, unit="step", mininterval=2, smoothing=0.05, ncols=LINE)
        self.validation: dict[str, float] = {}
        self.snapshot_steps = {round(i * config.steps / config.snapshots) for i in range(1, config.snapshots + 1)}
        self._sums: dict[str, Tensor] = {}
        self._count, self._latest = 0, {}

    @property
    def impatient(self) -> bool:
        """Whether too many validations brought no better score."""
        return 0 < self.config.patience <= self.stale

    def consider_start(self) -> None:
        """Score the model that the run starts from, as the first candidate for the best."""
        self._validate(0)
        name, score = next(iter(self.validation.items()))
        self.bar.write(f"Before training: {name} {score:.4g}")

    def see(self, scalars: dict[str, Tensor], done: int, stopping: bool) -> None:
        """Add a step's scalars; log their means, validate and write a checkpoint when due."""
        last = stopping or done == self.config.steps
        for name, value in scalars.items():
            self._sums[name] = self._sums.get(name, 0) + value.detach()
        self._count, self._latest = self._count + 1, scalars
        self.bar.update()
        validate = last or done % self.config.validate_every == 0
        if validate:
            self._validate(done)
        if validate or done % self.config.log_every == 0:
            means = {name: float(value) / self._count for name, value in self._sums.items()}
            self._sums, self._count = {}, 0
            self.log.write(done, means, self.validation if validate else {})
            shown = [*list(means.items())[:1], *list(self.validation.items())[:1]]  # the rest is in metrics.csv
            self.bar.set_postfix({name[:16]: f"{value:.3g}" for name, value in shown}, refresh=False)
        if done in self.snapshot_steps:
            self._check_weights(done)
            replace_folder(self.folder / checkpoints.SNAPSHOTS / f"{done:07d}", self.task.export)
        ended = done == self.config.steps or (validate and self.impatient)
        if last or ended or done % self.config.checkpoint_every == 0:
            self._keep(done, ended)

    def _keep(self, done: int, ended: bool) -> None:
        """Write the checkpoint, after everything else of this step."""
        self._check_weights(done)
        energy = self.meter.record(done)
        record.describe_run(self.folder, done, self.facts, self.worker.device, self.worker.world, self.log.spent_s, energy)
        if ended:
            replace_folder(self.folder / "last", self.task.export)
        path = self.folder / checkpoints.FILE
        checkpoints.save(path, self.task, done, self.best, self.stale, self.facts.settings, self.facts.data)

    def _check_weights(self, done: int) -> None:
        for module in self.task.modules.values():
            if not all(value.isfinite().all() for value in module.state_dict().values() if value.is_floating_point()):
                raise _diverged(self._latest, ["weights that are not finite"], self.task, done, self.folder)

    def _validate(self, done: int) -> None:
        self._check_weights(done)
        self.validation = self.task.validate()
        name, score = next(iter(self.validation.items()))
        if not math.isfinite(score):
            raise _diverged(self._latest, [f"validation {name} {score}"], self.task, done, self.folder)
        self.stale += 1
        if score < self.best:
            self.best, self.stale = score, 0
            replace_folder(self.folder / "best", self.task.export)
        for name, (sound, rate) in self.task.sounds().items():
            path = self.folder / "sounds" / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            audio.save(path, sound, rate)
            self.log.write_sound(name, sound, done, rate)


def _start_line(task: Task, facts: RunFacts, folder: Path) -> str:
    """Describe a run before its first step: data, labels, parameters and output."""
    size = sum(p.numel() for module in task.modules.values() for p in module.parameters() if p.requires_grad)
    splits = facts.data.get("splits", {})
    train = splits.get("train") or splits.get("development") or {}
    hours = f" ({train['seconds'] / 3600:.2g} h)" if "seconds" in train else ""
    data = f" on {train['clips']:,} clips{hours} of {facts.data['dataset']}" if "clips" in train else ""
    kinds = ", ".join(f"{kind} ({n})" for kind, n in facts.data.get("labels", {}).items())
    labels = f", labels: {kinds}" if kinds else ""
    return f"Training {size:,} parameters{data}{labels}. Output: {folder}"


def seed_step(seed: int, step: int, rank: int) -> None:
    """Seed all random numbers of this step from seed, step and rank."""
    torch.manual_seed(torch_seed(seed, step, rank))
