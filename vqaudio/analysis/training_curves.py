"""The curves of a training run: its metrics.csv, averaged to a few rows."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from vqaudio.errors import InputError

ROWS = 120
LOSSES = ("loss", "mel", "linear", "complex", "waveform", "loudness", "commitment", "adversarial", "feature_matching", "bits")


@dataclass(frozen=True)
class TrainingCurves:
    """The curves of one run. Training values are means since the previous row.

    Attributes:
        name: of the run.
        step: [n] training steps.
        losses: name -> [n], unweighted; losses that stay 0 are left out.
        perplexity: "1", "2", ... -> [n] of each stage in a training batch, from 1 to its number of codewords.
        gradients: part of the network -> [n] Euclidean norm of its gradients before clipping; empty if not recorded.
        looks: steps of the validations; validation: name -> scores there.
    """

    name: str
    step: list[int]
    losses: dict[str, list[float]]
    perplexity: dict[str, list[float]]
    gradients: dict[str, list[float]]
    looks: list[int]
    validation: dict[str, list[float]]


def read(path: Path) -> TrainingCurves:
    """Read the curves of a run's folder, or of a .csv file such as its metrics.csv.

    Raises:
        InputError: there is no such run, or its file is damaged or has no steps.
    """
    file_path = path / "metrics.csv" if path.is_dir() else path
    try:
        with file_path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        steps = [int(row["step"]) for row in rows]
        columns = {name: [float(row[name]) if row[name] else None for row in rows] for name in rows[0] if name != "step"}
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"There is no training run {path}: name its folder, or its metrics.csv.") from None
    except (ValueError, KeyError, TypeError, IndexError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file_path} is not the metrics.csv of a run, or is damaged: {error}.") from None
    looks = [i for i in range(len(rows)) if any(v[i] is not None for n, v in columns.items() if n.startswith("validation_"))]
    seen = {n.removeprefix("validation_"): [v[i] for i in looks] for n, v in columns.items() if n.startswith("validation_")}
    groups, full = _groups(len(rows)), {n: v for n, v in columns.items() if None not in v}
    trained = {n.removeprefix("train_"): _means(v, groups) for n, v in full.items() if n.startswith("train_")}
    parts = {n.removeprefix("gradient_"): v for n, v in trained.items() if n.startswith("gradient_")}
    return TrainingCurves(
        name=path.name if path.is_dir() else path.stem, step=[steps[group[-1]] for group in groups],
        losses={name: trained[name] for name in LOSSES if any(trained.get(name, ()))},
        perplexity={m[1]: v for name, v in trained.items() if (m := re.fullmatch(r"perplexity_(\d+)", name))},
        gradients={n: v for n, v in parts.items() if n != "norm"},
        looks=[steps[i] for i in looks], validation={n: v for n, v in seen.items() if None not in v},
    )


def _groups(n: int) -> list[range]:
    """Split rows into at most ROWS groups of similar size."""
    count = min(n, ROWS)
    ends = [(i + 1) * n // count for i in range(count)]
    return [range(start, end) for start, end in zip([0, *ends], ends)]


def _means(values: list[float], groups: list[range]) -> list[float]:
    return [float(f"{sum(values[i] for i in group) / len(group):.4g}") for group in groups]
