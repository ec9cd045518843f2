"""Curves of a folder of runs: one .csv file per run, and priors.json."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

from vqaudio.errors import InputError

HEADER = ("recipe", "settings", "steps", "validation, bits a cell", "shipped")


@dataclass(frozen=True)
class Curve:
    """The validation score of one run by step; lower is better."""

    name: str
    steps: list[int]
    scores: list[float]


def read_curves(folder: Path) -> dict[str, list[Curve]]:
    """Read the curves of every .csv file, grouped by their first `validation_` column.

    Raises:
        InputError: there is no such folder, it holds no curve, or a file is damaged.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.")
    found: dict[str, list[Curve]] = {}
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        measured = next((name for name in (rows[0] if rows else ()) if name and name.startswith("validation_")), None)
        if measured is None or "step" not in rows[0]:
            continue
        try:
            points = [(int(row["step"]), float(row[measured])) for row in rows if row[measured]]
        except (TypeError, ValueError) as error:
            raise InputError(f"{path} is damaged: {error}.") from None
        steps, scores = ([point[i] for point in points] for i in (0, 1))
        found.setdefault(measured.removeprefix("validation_"), []).append(Curve(path.stem, steps, scores))
    if not found:
        raise InputError(f"{folder} holds no .csv file with steps and a validation score.")
    return found


def read_table(folder: Path) -> list[tuple[str, ...]]:
    """Read the rows of priors.json for HEADER; none without the file.

    Raises:
        InputError: the file is damaged.
    """
    path = folder / "priors.json"
    try:
        return [
            (
                run["recipe"], ", ".join(f"{name} {value}" for name, value in run["settings"].items()), str(run.get("step", "")),
                f"{run['validation_bits']:.3f}", "yes" if run["shipped"] else "",
            )
            for run in json.loads(path.read_text())
        ]  # fmt: skip
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged: {error}.") from None
