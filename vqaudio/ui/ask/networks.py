"""Networks in weights/ that answer questions, loaded on first use."""

import functools
from pathlib import Path

from vqaudio import hub
from vqaudio.errors import InputError
from vqaudio.ui import models

NONE = "No network that answers questions is installed. Put one into weights/."


def _configs() -> dict[str, dict]:
    """The config.json of each network in weights/, by its name."""
    configs = {name: models.config_of(hub.WEIGHTS / name) for name in hub.installed()}
    return {name: config for name, config in configs.items() if config.get("module") == "questions.film"}


def installed() -> bool:
    """Whether there is any network to ask."""
    return bool(_configs())


def kinds() -> list[str]:
    """The kinds of scene that an installed network answers questions about."""
    return [kind for kind in ("sound", "picture") if choices(kind)]


def choices(kind: str) -> dict[str, int]:
    """Map the networks for a kind of scene to the number of codec stages they see.

    0 is the sound or picture itself.
    """
    sees = ("picture",) if kind == "picture" else ("sound", "codes")
    found = {name: int(config.get("code_stages", 0)) for name, config in _configs().items() if config.get("sees") in sees}
    return dict(sorted(found.items(), key=lambda one: one[1]))


def network(kind: str, stages: int = 0):
    """Return the network that sees this number of codec stages; 0 is the scene itself.

    Raises:
        InputError: it is not installed.
    """
    name = next((name for name, seen in choices(kind).items() if seen == stages), None)
    if name is None:
        raise InputError(NONE)
    return _loaded(hub.WEIGHTS / name)


@functools.cache
def _loaded(folder: Path):
    return hub.load(folder)
