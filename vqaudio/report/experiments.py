"""The report's experiments: one score per setting, with its spread over seeds."""

from dataclasses import dataclass
from pathlib import Path

from vqaudio.errors import InputError
from vqaudio.experiments import records
from vqaudio.experiments.records import MEASURES, Group, Record


@dataclass(frozen=True)
class Panel:
    """One experiment and the score to plot, the first column of its table."""

    record: Record
    measure: str

    @property
    def name(self) -> str:
        return self.record.experiment

    @property
    def axis(self) -> str:
        return MEASURES[self.measure].title

    def points(self) -> list[tuple[str, float, float]]:
        """The name of each setting, with the mean and standard deviation of its score."""
        points = []
        for group in self.record.groups():
            spread = group.over_seeds(self.measure)
            points.append((_setting(group), spread.mean, spread.deviation))
        return points

    def for_template(self) -> dict:
        """The template's data: the question, and the scores of every setting as text."""
        measure = MEASURES[self.measure]
        shown = [name for name in (self.measure, "bits_carried") if name in self.record.measured()]
        rows = [
            [_setting(group), *(group.over_seeds(name).shown(MEASURES[name]) for name in shown)] for group in self.record.groups()
        ]
        seeds = sorted({len(group.runs) for group in self.record.groups()})
        return {
            "name": self.name, "question": self.record.question, "recipe": self.record.recipe, "measure": measure.title,
            "runs": str(len(self.record.runs)), "asked": str(self.record.asked),
            "rows": rows, "seeds": " to ".join(map(str, dict.fromkeys((seeds[0], seeds[-1])))),
        }


def _setting(group: Group) -> str:
    return " x ".join(records.shown(value) for value in group.setting.values()) or "as is"


def read_all(folder: Path) -> list[Panel]:
    """Read all experiments in a folder. Raises InputError if one has no results."""
    return [_panel(records.read(path.with_suffix(".json"))) for path in sorted(folder.glob("*.toml"))]


def _panel(record: Record) -> Panel:
    measured = record.measured()
    if not measured:
        needed = f"finished runs in experiments/{record.experiment}.json"
        raise InputError(f"The report needs {needed}. Run `{record.command}`.")
    return Panel(record, measured[0])
