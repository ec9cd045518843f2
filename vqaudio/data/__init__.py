"""Clips, batches, shards and tokens; every dataset is one file in `datasets`."""

import hashlib
import importlib
from pathlib import Path

from vqaudio.data.clips import About, Split
from vqaudio.errors import InputError
from vqaudio.hub import modules_of
from vqaudio.registry import plugins


def load_split(dataset: str, part: str, root: Path | None, sample_rate: int) -> Split:
    """Open a part of a dataset at the given sample rate.

    Args:
        dataset: name of a file in `datasets` or of a plug-in, or "shards".
        part: train, validation or test.
        root: the dataset's folder; None for its default folder.
        sample_rate: Hz, the rate of the model to train or evaluate.

    Raises:
        InputError: there is no such dataset or part, or it has another rate and cannot be resampled.
    """
    return dataset_named(dataset).load_split(part, root, sample_rate)


def facts(dataset: str, splits: dict[str, Split]) -> dict:
    """Summarise a run's data: dataset, licence, sizes of its parts, label counts.

    Shards report the dataset that they were packed from.
    """
    first = next(iter(splits.values()))
    source = first.packed_from or dataset
    sizes = {part: {"clips": len(split), "seconds": round(split.seconds, 1)} for part, split in splits.items()}
    labels = {kind: len(values) for kind, values in first.labels.items()}
    return {"dataset": source, "licence": about(source).licence, "splits": sizes, "labels": labels}


def fingerprint(splits: dict[str, Split]) -> str:
    """Hash the names and lengths of all clips: 32 hex digits.

    Of shards, their numbers of clips and seconds.
    """
    digest = hashlib.sha256()
    for part, split in splits.items():
        digest.update(f"{part} {split.sample_rate} {len(split)} {split.seconds:.3f}\n".encode())
        if isinstance(split.clips, tuple):
            for clip in split.clips:
                digest.update(f"{clip.name} {len(clip.audio)}\n".encode(errors="replace"))
    return digest.hexdigest()[:32]


def about(dataset: str | None) -> About:
    """Return a dataset's description for model cards, or a blank one if unknown."""
    return getattr(dataset_module(dataset), "ABOUT", About()) if dataset else About()


def dataset_named(name: str):
    """Import the module that reads a dataset: `load_split(part, root, sample_rate)`.

    Raises:
        InputError: there is no such dataset.
    """
    module = importlib.import_module(f"vqaudio.data.{name}") if name == "shards" else dataset_module(name)
    if not hasattr(module, "load_split"):
        raise InputError(f"There is no dataset {name!r} in vqaudio/data/datasets.")
    return module


def dataset_module(name: str):
    """Import a dataset's module, also a plug-in's; None if there is none."""
    if name in modules_of("data.datasets"):
        return importlib.import_module(f"{__name__}.datasets.{name}")
    path = plugins("datasets").get(name)
    return path and importlib.import_module(path)


def __getattr__(name: str):
    """Give access to a dataset's module by its short path, `vqaudio.data.folder`."""
    module = dataset_module(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return module
