"""The origin of a model: training records, and commands as records keep them."""

import os
import shlex
import sys
from pathlib import Path

from vqaudio.errors import InputError
from vqaudio.json_files import read_json

TRAINING = "training.json"
RUN_KEYS = {"command", "steps", "seconds", "processes", "threads", "device", "torch", "finished"}


def read_record(folder: Path, name: str):
    """Read a JSON file beside the weights; None if it is missing.

    Raises InputError if it is damaged.
    """
    return read_json(folder / name) if (folder / name).is_file() else None


def runs_of(folder: Path) -> list[dict]:
    """The records of the training runs that made a model, the first one first.

    Those published with it, or its own run's.

    Args:
        folder: of the model; the record of a run is above its best/ and last/.

    Raises:
        InputError: the record is damaged.
    """
    runs = read_record(folder, TRAINING)
    if runs is None and folder.name in ("best", "last"):
        run = read_record(folder.parent, TRAINING)
        runs = None if run is None else [run]
    runs = [] if runs is None else runs
    if not isinstance(runs, list) or not all(isinstance(run, dict) and run.keys() >= RUN_KEYS for run in runs):
        raise InputError(f"{folder / TRAINING} is damaged: it is not a list of training runs.")
    return runs


def trained_on(runs: list[dict]) -> list[dict]:
    """The training data of these runs, as `data.facts`, in order without duplicates.

    {} where it was not recorded.
    """
    datasets = []
    for run in runs or [{}]:
        start = run.get("start_from")
        datasets += ([] if start is None else start.get("data") or [{}]) + [run.get("data") or {}]
    return [data for i, data in enumerate(datasets) if data not in datasets[:i]]


def recorded_command(argv: list[str] | None = None) -> str:
    """The command line for a record, without a machine's folders.

    An absolute path is shortened to a relative one, and the value of --data or --train-data becomes DIR. `argv` is this process's
    if None.
    """
    words, option = ["vqaudio"], ""
    for word in (sys.argv if argv is None else argv)[1:]:
        name, equals, value = word.partition("=") if word.startswith("--") and "=" in word else ("", "", word)
        words.append(name + equals + shlex.quote("DIR" if (name or option) in ("--data", "--train-data") else relative(value)))
        option = word
    return " ".join(words)


def relative(path: str) -> str:
    """Shorten a path to one without the machine's folders.

    Relative to the working folder, or from its last folder `runs` on, or its name.

    Other paths are returned unchanged.
    """
    if not os.path.isabs(path):
        return path
    inside, parts = Path(path), Path(path).parts
    if inside.is_relative_to(Path.cwd()):
        return inside.relative_to(Path.cwd()).as_posix()
    start = len(parts) - 1 - parts[::-1].index("runs") if "runs" in parts else len(parts) - 1
    return "/".join(parts[start:])
