"""Clips, batches, shards and tokens; every dataset is one file in `datasets`."""

import importlib
from pathlib import Path

from vqaudio.data.clips import About, Split
from vqaudio.errors import InputError
from vqaudio.hub import modules_of


def load_split(dataset: str, part: str, root: Path | None, sample_rate: int) -> Split:
    """Open a part of a dataset at this rate: the one place that does.

    Args:
        dataset: a file of `datasets`, or "shards".
        part: train, validation or test.
        root: the dataset's folder; None for its usual place.
        sample_rate: Hz, of the model that is trained or measured.

    Raises:
        InputError: no such dataset or part, or one that has another rate and cannot be converted.
    """
    return dataset_named(dataset).load_split(part, root, sample_rate)


def facts(dataset: str, splits: dict[str, Split]) -> dict:
    """What a run records of its data: the dataset, its licence, how much of each part, how many values of each label.

    Shards stand for the dataset that they were packed from.
    """
    first = next(iter(splits.values()))
    source = first.packed_from or dataset
    sizes = {part: {"clips": len(split), "seconds": round(split.seconds, 1)} for part, split in splits.items()}
    labels = {kind: len(values) for kind, values in first.labels.items()}
    return {"dataset": source, "licence": about(source).licence, "splits": sizes, "labels": labels}


def about(dataset: str | None) -> About:
    """What cards say about a dataset; where it is not known, that nothing was recorded."""
    return getattr(dataset_module(dataset), "ABOUT", About()) if dataset else About()


def dataset_named(name: str):
    """The module that reads a dataset: it has `load_split(part, root, sample_rate)`.

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


def __getattr__(name: str):
    """A dataset's module by its short path, `vqaudio.data.folder`."""
    module = dataset_module(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return module
