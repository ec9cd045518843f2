"""Devices of models: the CPU or a graphics card.

Results are the same everywhere: random numbers come from the CPU, and a card computes in full single precision.
"""

import functools
import os
import threading
from pathlib import Path

import torch

from vqaudio import hub
from vqaudio.errors import InputError

VARIABLE = "VQAUDIO_DEVICE"
_loading = threading.Lock()


def pick(name: str = "auto") -> torch.device:
    """Select a device.

    Args:
        name: cpu, cuda, cuda:1, mps; or auto: $VQAUDIO_DEVICE, or else the first of CUDA, MPS and the CPU.

    Raises:
        InputError: there is no such device.
    """
    if name == "auto":
        name = os.environ.get(VARIABLE) or "auto"
    return _checked(name)


@functools.cache
def _checked(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, ImportError, NotImplementedError):
        raise InputError(f"There is no device {name!r} here. Use auto or cpu for --device or ${VARIABLE}.") from None
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # rounds to 10 bits, which moves ids; `training.loop` allows it again
    return device


def placed(model):
    """The app's copy of a model on `pick()`; on the CPU the model itself."""
    return model if model.device == pick() else loaded(model.folder, model.name)


def loaded(folder: Path, name: str):
    """Load a folder's model on to the app's device, once for all callers."""
    with _loading:
        return _loaded(folder, name, pick())


@functools.cache
def _loaded(folder: Path, name: str, device: torch.device):
    model = hub.load(folder).to(device)
    model.name = name
    return model
