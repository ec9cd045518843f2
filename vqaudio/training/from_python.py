"""`vqaudio.train`: the training commands as a function."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from vqaudio import hub
from vqaudio.errors import InputError, nearest
from vqaudio.model import Model
from vqaudio.training import setup
from vqaudio.training.prior_recipes import ALIASES, PRIOR_RECIPES
from vqaudio.training.recipes import CODEC_RECIPES, JUDGE_RECIPES

KINDS = {"codec": CODEC_RECIPES, "prior": PRIOR_RECIPES, "judge": JUDGE_RECIPES}


def train(
    recipe: str, data: str | os.PathLike | None = None, out: str | os.PathLike | None = None, *, resume: bool = False,
    **settings: Any,
) -> Model:
    """Train a codec, a prior or a judge, just as `vqaudio train` does.

    Args:
        recipe: its name, such as "folder" or "folder-masked".
        data: the dataset's folder; None for $VQAUDIO_DATA, else what `vqaudio download` fetched.
        out: folder for checkpoints, metrics and the model; None for runs/RECIPE.
        resume: continue from the folder's last checkpoint.
        settings: changes to the recipe, a group at a time: `codec={"n_stages": 4}, loop={"steps": 500}`, or one alone:
            `start_from="voice-16khz"`.

    Returns:
        The model that was best on validation, from `out`/best.

    Raises:
        InputError: an unknown recipe or setting, a setting out of range, or those of training.
        KeyboardInterrupt: stopped by Ctrl-C, after a checkpoint.
    """
    recipe = ALIASES.get(recipe, recipe)
    kind = next((kind for kind, recipes in KINDS.items() if recipe in recipes), None)
    if kind is None:
        known = [name for recipes in KINDS.values() for name in recipes]
        raise InputError(f"There is no recipe {recipe!r}{nearest(recipe, known)} Known are {', '.join(known)}.")
    folder = Path(out) if out is not None else Path("runs") / recipe
    arguments = ["--recipe", recipe, *_options(settings, KINDS[kind][recipe], "")]
    arguments += ["--data", os.fspath(data)] if data is not None else []
    arguments += ["--out", os.fspath(folder), *(["--resume"] if resume else [])]
    setup.run_command(kind, arguments)
    return hub.load(folder / "best")


def _options(settings: Mapping[str, Any], defaults: Any, inside: str) -> Iterator[str]:
    """Settings as options of the command line."""
    for name, value in settings.items():
        known = [field for field in vars(defaults) if not field.startswith("_")]
        if name not in known:
            raise InputError(f"There is no setting {inside}{name} in this recipe{nearest(name, known)}")
        before = getattr(defaults, name)
        if is_dataclass(before):
            if not isinstance(value, Mapping):
                raise InputError(f"{inside}{name} takes several settings: give a dictionary of them.")
            yield from _options(value, before, f"{inside}{name}.")
        elif value != before:
            yield from _option(inside, name.replace("_", "-"), value)


def _option(inside: str, name: str, value: Any) -> Iterator[str]:
    if isinstance(value, bool):
        yield f"--{inside}{name}" if value else f"--{inside}no-{name}"
    else:
        yield f"--{inside}{name}"
        yield from _words(value)


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, list | tuple):
        for one in value:
            yield from _words(one)
    else:
        yield os.fspath(value) if isinstance(value, os.PathLike) else str(value)
