"""Clips, batches, shards and tokens; every dataset is one file in `datasets`."""

import importlib

from vqaudio.errors import InputError
from vqaudio.hub import modules_of


def dataset_named(name: str):
    """The module that reads a dataset: it has `load_split`.

    Raises:
        InputError: there is no such dataset.
    """
    module = importlib.import_module(f"vqaudio.data.{name}") if name == "shards" else dataset_module(name)
    if not hasattr(module, "load_split"):
        raise InputError(f"There is no dataset {name!r} in vqaudio/data/datasets.")
    return module


def dataset_module(name: str):
    """The file of that name in `datasets`, or None."""
    return importlib.import_module(f"{__name__}.datasets.{name}") if name in modules_of("data.datasets") else None
