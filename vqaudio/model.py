"""The base class of all models: configuration, name, fingerprint, Hub methods."""

import os
from itertools import chain
from pathlib import Path
from typing import Self

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import nn

from vqaudio.errors import InputError
from vqaudio.hub import fingerprint, load, save_compact
from vqaudio.ranges import check


class Model(nn.Module, PyTorchModelHubMixin, library_name="vqaudio"):
    """Base class of all models.

    A subclass keeps its flat configuration in `config`; `name` and `folder` are where it was loaded from.
    """

    name = "unnamed"
    folder: Path | None = None

    def __init__(self, config=None):
        """Check and store a configuration. Raises InputError for a field of a wrong type or out of range."""
        super().__init__()
        if config is not None:
            check(config)
            self.config = config

    def check_precision(self) -> None:
        """Raise InputError unless all weights are float32.

        Spectra and distances need that precision.
        """
        others = {p.dtype for p in self.parameters() if p.is_floating_point()} - {torch.float32}
        if others:
            kind = str(others.pop()).removeprefix("torch.")
            raise InputError(f"The model {self.name!r} computes in float32; its weights are {kind}. Call .float() on it first.")

    @property
    def device(self) -> torch.device:
        """The device that the weights are on."""
        return next(chain(self.parameters(), self.buffers())).device

    def part_of(self, parameter: str) -> str:
        """The part of the network that a parameter belongs to, for comparisons.

        By default its top-level module.
        """
        return parameter.split(".")[0]

    @property
    def fingerprint(self) -> str:
        """32 hex digits: a hash of the weights and the configuration."""
        return fingerprint(self)

    @classmethod
    def from_pretrained(cls, name: str | os.PathLike, **options) -> Self:
        """Load a trained model of this class; see `vqaudio.load`.

        Raises:
            InputError: those of `vqaudio.load`, or the model is of another class.
        """
        model = load(name, **options)
        if not isinstance(model, cls):
            raise InputError(f"The model {str(name)!r} is a {type(model).__name__}, not a {cls.__name__}.")
        return model

    def _save_pretrained(self, save_directory: Path) -> None:
        """The mixin's hook: half precision, written whole or not at all."""
        save_compact(self, save_directory)
