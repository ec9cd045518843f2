"""Checkpoints: the state that a run resumes from, and checks that it may."""

import errno
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch

from vqaudio.errors import InputError
from vqaudio.files import replace_file

FILE = "checkpoint.pt"
SNAPSHOTS = "snapshots"  # folder of models by step, see `LoopConfig.snapshots`
FREE = {  # settings that change neither weights nor batches; a prior's codec is identified by its fingerprint
    "codec", "codec.name", "licence", "loop.log_every", "loop.validate_every", "loop.checkpoint_every", "loop.device",
    "loop.tensorboard", "loop.energy", "loop.region", "loop.snapshots", "loop.patience", "training.workers",
}


def check_resumable(
    folder: Path, resume: bool, settings: dict, data: dict | None = None, changes_steps: bool = False
) -> None:
    """Check that a run may start in `folder`, or resume there; writes nothing.

    Args:
        folder: the run's folder.
        resume: whether a run in it may be continued.
        settings: of the run, such as {"training": {"learning_rate": 0.001}}.
        data: the training data's facts, see `data.facts`; None if not known yet.
        changes_steps: whether the number of steps may differ.

    Raises:
        InputError: the folder holds a run and `resume` is False, or a run with other settings or data, all of which it names.
    """
    path = folder / FILE
    if not path.exists():
        return
    if not resume:
        raise InputError(f"{folder} already holds a run: continue it with --resume, or choose another --out.")
    state = _read(path, "cpu", mmap=True)
    before = state.get("settings") or flat({"loop": state.get("loop", {})})  # older checkpoints record no more
    before = {name: value for name, value in before.items() if not (changes_steps and name == "loop.steps")}
    changed = [f"--{name.replace('_', '-')} is {new!r} and was {old!r}" for name, old, new in _changes(before, settings)]
    changed += [f"the data's {name} is {new!r} and was {old!r}" for name, old, new in _changes(state.get("data", {}), data or {})]
    if changed:
        raise InputError(
            f"{folder} holds a run with other settings: {'; '.join(changed)}. Give the same ones, or choose another --out."
        )


def save(path: Path, task, step: int, best: float, stale: int, settings: dict, data: dict) -> None:
    """Write a checkpoint after `step` steps, atomically."""
    state = {
        "step": step, "best": best, "stale": stale, "settings": flat(settings), "data": flat(data),
        "modules": {name: module.state_dict() for name, module in task.modules.items()},
        "optimisers": {name: optimiser.state_dict() for name, optimiser in task.optimisers.items()},
    }
    replace_file(path, lambda temporary: _write(state, temporary))


def restore(path: Path, task, device: torch.device) -> tuple[int, float, int]:
    """Load a checkpoint's weights and optimisers into the task.

    Returns:
        its step, the best validation score so far, and how many validations have passed since.
    """
    state = _read(path, device)
    try:
        for name, module in task.modules.items():
            module.load_state_dict(state["modules"][name])
        for name, optimiser in task.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        return state["step"], state["best"], state.get("stale", 0)
    except (RuntimeError, KeyError, ValueError) as error:
        raise _unusable(path, error) from None


def flat(settings: dict) -> dict[str, object]:
    """Flatten nested settings: {"codec": {"hop": 160}} -> {"codec.hop": 160}.

    Accepts dataclasses and dicts; tuples become lists.
    """
    return dict(_flat(settings, ""))


def _flat(value, name: str) -> Iterator[tuple[str, object]]:
    if is_dataclass(value):
        value = asdict(value)
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _flat(one, f"{name}.{key}" if name else key)
    else:
        yield name, list(value) if isinstance(value, tuple) else value


def _changes(before: dict, now: dict) -> list[tuple[str, object, object]]:
    """(name, before, now) of relevant differences; ignores names from another version."""
    now = flat(now)
    return [
        (name, value, now[name]) for name, value in before.items()
        if name in now and name not in FREE and value != now[name]
    ]


def _read(path: Path, device, mmap: bool = False) -> dict:
    try:
        state = torch.load(path, map_location=device, weights_only=True, mmap=mmap)
    except (RuntimeError, ValueError, EOFError, OSError, UnpicklingError) as error:
        raise _unusable(path, error) from None
    if not isinstance(state, dict):
        raise _unusable(path, ValueError("it holds no training state"))
    return state


def _unusable(path: Path, error: Exception) -> InputError:
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return InputError(f"{path} is damaged, or belongs to a run with other settings: {reason}")


def _write(state: dict, path: Path) -> None:
    try:
        torch.save(state, path)
    except RuntimeError:  # torch raises this for any failed write
        raise OSError(errno.ENOSPC, "the disk is full, or writing failed in another way", str(path)) from None
