"""One dataset a file; `batches` makes padded, masked batches of any of them."""

import importlib

from vqaudio.errors import InputError
from vqaudio.hub import modules_of


def dataset_named(name: str):
    """The module here that reads a dataset: it has `load_split`. Raises InputError where there is none of that name."""
    module = importlib.import_module(f"{__name__}.{name}") if name in modules_of("data") else None
    if not hasattr(module, "load_split"):
        raise InputError(f"There is no dataset {name!r} in vqaudio/data.")
    return module
