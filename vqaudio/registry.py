"""Plug-ins: models and datasets of other packages.

A config.json names the module of its model. Besides vqaudio's own, that may be a module which an installed package declares as
an entry point or which a program registers. Nothing else is imported, so a downloaded config cannot run code of its choice.
"""

import functools
from importlib.metadata import entry_points
from types import ModuleType

from vqaudio.errors import InputError

KINDS = ("codecs", "priors", "datasets", "questions")
_registered: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}


def register(kind: str, module: str | ModuleType, name: str | None = None) -> None:
    """Make a module known as a plug-in, for this process.

    A package does the same for every process by an entry point, such as `[project.entry-points."vqaudio.codecs"]` with
    `tiny = "my_package.tiny_codec"`.

    Args:
        kind: codecs, priors, questions or datasets.
        module: the module or its dotted name, such as `__name__`. A model's has MODEL and CONFIG, and its configuration's
            default for `module` is this name; a dataset's has `load_split`.
        name: of a dataset, for `--dataset`; None for the last part of the module's name.

    Raises:
        InputError: there is no such kind of plug-in.
    """
    if kind not in KINDS:
        raise InputError(f"There are no plug-ins of the kind {kind!r}; choose {', '.join(KINDS)}.")
    path = module.__name__ if isinstance(module, ModuleType) else module
    _registered[kind][name or path.rpartition(".")[2]] = path


def plugins(kind: str) -> dict[str, str]:
    """The plug-ins of a kind: name -> dotted name of the module."""
    return _installed(kind) | _registered[kind]


@functools.cache
def _installed(kind: str) -> dict[str, str]:
    return {point.name: point.module for point in entry_points(group=f"vqaudio.{kind}")}
