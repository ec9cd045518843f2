"""Choose a device by name: the CPU or a graphics card."""

import functools
import os

import torch

from vqaudio.errors import InputError

VARIABLE = "VQAUDIO_DEVICE"


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
