"""Read model folders from untrusted sources without large allocations."""

import math
from dataclasses import fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vqaudio import ranges
from vqaudio.errors import InputError

MOST_NUMBERS = 2**29  # of a new model: 2 GB
TABLES = 2**20  # numbers in buffers that are not weights, such as windows
ALLOCATORS = (torch.empty, torch.randn, torch.rand, torch.zeros, torch.ones, torch.full)


def read_config(path: Path, config_class, values: dict):
    """Build a configuration from the values of a config.json.

    Raises:
        InputError: a setting that is unknown, of a wrong type, or out of range.
    """
    unknown = set(values) - {field.name for field in fields(config_class)}
    if unknown:
        raise InputError(f"{path} has a setting that is not known here: {ranges.shown(min(unknown))}.")
    try:
        config = config_class(**{name: _tuples(value) for name, value in values.items()})
        ranges.check(config)
    except RecursionError:
        raise InputError(f"{path} is damaged: it has lists in lists without end.") from None
    except InputError as error:
        raise InputError(f"{path} is damaged: {error}") from None
    return config


def read_model(folder: Path, model_class, config) -> nn.Module:
    """Build a model from a configuration and load the folder's weights.

    Raises:
        InputError: weights that are missing, damaged, not finite, or do not fit the configuration.
    """
    path = folder / "model.safetensors"
    try:
        model = build(model_class, config, 2 * _count(path) + TABLES)
        model.load_state_dict(_weights(path))
    except FileNotFoundError:
        raise InputError(f"{folder} has no model.safetensors.") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is damaged: {_reason(error)}") from None
    except (RuntimeError, TypeError, ValueError, ArithmeticError, AssertionError, LookupError) as error:
        raise InputError(f"The weights in {folder} do not fit its config.json: {_reason(error)}") from None
    check_weights(model, folder)
    return model


def build(model_class, config, most_numbers: int = MOST_NUMBERS) -> nn.Module:
    """Build a model; InputError before it allocates more than `most_numbers`."""
    with Budget(most_numbers):
        return model_class(config)


def check_weights(model: nn.Module, name) -> None:
    """Raise InputError if a weight is infinite or NaN, or a count is negative."""
    weights = model.state_dict().values()
    good = [(part.isfinite() if part.is_floating_point() else part >= 0).all() for part in weights]
    if not torch.stack(good).all():
        raise InputError(f"The weights of {name} are damaged: some are infinite, NaN, or counts below 0.")


class Budget(TorchFunctionMode):
    """Limits the numbers in tensors created inside; raises InputError."""

    def __init__(self, most: int = MOST_NUMBERS):
        super().__init__()
        self.most, self.made = most, 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in ALLOCATORS:
            size = args or (kwargs["size"],)
            self.made += math.prod(size if isinstance(size[0], int) else size[0])
            if self.made > self.most:
                raise InputError(f"the model that it describes has more than {self.most} numbers.")
        return function(*args, **kwargs)


def _count(path: Path) -> int:
    """Number of weights according to a file's header, which the library checks against the file's size."""
    with safe_open(path, framework="pt") as file:
        names = file.keys()
        return sum(math.prod(file.get_slice(name).get_shape()) for name in names)


def _weights(path: Path) -> dict[str, Tensor]:
    return {name: value.float() if value.is_floating_point() else value for name, value in load_file(path).items()}


def _reason(error: Exception) -> str:
    """The last line of an error's message."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return ranges.printable(lines[-1].strip())[: ranges.REASON]


def _tuples(value):
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
