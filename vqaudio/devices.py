"""Devices of models: the CPU or a graphics card.

Results are the same everywhere: random numbers come from the CPU, and a card computes in full single precision.
"""

import functools
import threading
from pathlib import Path

import torch

from vqaudio import hub
from vqaudio.hardware import VARIABLE, pick

__all__ = ["VARIABLE", "loaded", "pick", "placed"]
_loading = threading.Lock()


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
