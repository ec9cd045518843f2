"""run.toml: what made a run, and how to start the same one again with `--config`."""

import json
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vqaudio import __version__
from vqaudio.errors import InputError
from vqaudio.files import replace_file
from vqaudio.provenance import recorded_command
from vqaudio.ranges import shown

if TYPE_CHECKING:  # it imports PyTorch, and help should not wait for that
    from vqaudio.training.record import RunFacts

FILE = "run.toml"
NONE = "none"  # TOML has no null
ABOUT = ("run", "data")  # tables that describe the run and are no settings
Settings = TypeVar("Settings")


@dataclass(frozen=True)
class RunFile:
    """The settings of a run.toml; without a file all are empty.

    Attributes:
        recipe: name of the recipe that the settings started from.
        data: the dataset's folder.
        settings: by name, nested like the recipe.
    """

    recipe: str | None = None
    data: Path | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def applied(self, settings: Settings) -> Settings:
        """Change a recipe's settings to those of the file.

        Raises:
            InputError: a setting that the recipe does not have.
        """
        return _changed(settings, self.settings, "")

    def value(self, option: str) -> str | None:
        """The value of a text option such as "codec.module"; None without it."""
        part, _, name = option.partition(".")
        value = self.settings.get(part, {})
        value = value.get(name) if isinstance(value, dict) else None
        return value if isinstance(value, str) else None


def read(path: Path) -> RunFile:
    """Read a run.toml.

    Raises:
        InputError: no such file, or it is no run's.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} is not TOML: {error}.") from None
    about = content.get("run")
    if not isinstance(about, dict) or not isinstance(about.get("recipe"), str):
        raise InputError(f"{path} is not the {FILE} of a run: it names no recipe. Each run writes one into its folder.")
    data = about.get("data")
    settings = {name: value for name, value in content.items() if name not in ABOUT}
    return RunFile(about["recipe"], Path(data) if isinstance(data, str) else None, settings)


def write(folder: Path, facts: "RunFacts", machine: str) -> None:
    """Write a run's settings, version, commit, data, machine and command."""
    import torch

    about = {
        "recipe": facts.recipe, "data": facts.data_folder, "command": recorded_command(), "version": __version__,
        "commit": commit(), "torch": torch.__version__, "machine": machine,
    }
    data = facts.data | ({"fingerprint": facts.fingerprint} if facts.fingerprint else {})
    tables = {"run": {key: value for key, value in about.items() if value is not None}, "data": data} | facts.settings
    head = f"# `vqaudio train ... --config {FILE}` starts the same run.\n"
    text = head + "\n".join(_lines(tables, ""))
    replace_file(folder / FILE, lambda path: path.write_text(text + "\n", encoding="utf-8", errors="replace"))


def commit() -> str | None:
    """The commit of the clone that this package runs from; None without one.

    It ends in "-dirty" if files differ.
    """
    clone = Path(__file__).resolve().parents[2]
    if not (clone / ".git").exists():
        return None
    command = ["git", "-C", str(clone), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None


def _changed(settings: Any, values: dict[str, Any], inside: str) -> Any:
    known = {one.name for one in fields(settings)}
    changes = {}
    for name, value in values.items():
        if name not in known:
            raise InputError(f"There is no setting {inside}{shown(name)} in this recipe. Take it out of the file.")
        before = getattr(settings, name)
        if is_dataclass(before) != isinstance(value, dict):
            kind = "a table" if is_dataclass(before) else "a value"
            raise InputError(f"{inside}{name} is {shown(value)}; it takes {kind}.")
        changes[name] = _changed(before, value, f"{name}.") if is_dataclass(before) else _value(value)
    return replace(settings, **changes)


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_value, value))
    return None if value == NONE else value


def _lines(table: dict[str, Any], name: str) -> Iterator[str]:
    """The lines of a TOML table: its values, then the tables in it."""
    values = {key: vars(value) if is_dataclass(value) else value for key, value in table.items()}
    for key, value in values.items():
        if not isinstance(value, dict):
            yield f"{_key(key)} = {_written(value)}"
    for key, value in values.items():
        if isinstance(value, dict):
            path = f"{name}.{_key(key)}" if name else _key(key)
            yield f"\n[{path}]"
            yield from _lines(value, path)


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else _written(name)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_written, value)) + "]"
    text = json.dumps(NONE if value is None else str(value), ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")
