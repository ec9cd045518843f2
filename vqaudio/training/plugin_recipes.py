"""Recipes of plug-ins: their configuration, with the rest of another recipe."""

from dataclasses import field, fields, make_dataclass
from typing import Any

from vqaudio.errors import InputError
from vqaudio.hub import module_named
from vqaudio.registry import plugins


def with_plugin(recipes: dict[str, Any], part: str, module: str | None, recipe: str | None) -> tuple[dict[str, Any], str | None]:
    """Add the recipe of a plug-in.

    Args:
        recipes: by name.
        part: the recipe's field of the model's configuration: codec or prior.
        module: the value of --codec.module or --prior.module; other modules than a plug-in's change nothing.
        recipe: the value of --recipe; None for the plug-in's own, with the data and training of `folder` or `folder-masked`.

    Returns:
        the recipes, and the name of the plug-in's; None without a plug-in.

    Raises:
        InputError: the plug-in has no model.
    """
    if module not in plugins(f"{part}s").values():
        return recipes, None
    base = recipes.get(recipe or {"codec": "folder", "prior": "folder-masked"}[part])
    config = module_named(module).CONFIG
    if config().module != module:
        raise InputError(f"The default of {config.__name__}.module is {config().module!r}. Make it {module!r}, or `__name__`.")
    name = recipe or module.rpartition(".")[2]
    if base is None:
        return recipes, name
    replaced = [(part, config, field(default_factory=config))]
    own = make_dataclass(f"{config.__name__}Recipe", replaced, bases=(type(base),), frozen=True)
    values = {one.name: getattr(base, one.name) for one in fields(base) if one.name != part}
    return recipes | {name: own(**values)}, name
