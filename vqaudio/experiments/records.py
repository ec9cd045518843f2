"""Results of an experiment: a JSON file, and statistics over seeds.

    {"experiment": "ema-decay", "question": ..., "kind": "codec", "recipe": "fsdd-8khz-small",
     "command": "vqaudio experiment run ...", "varied": ["codec.decay"], "asked": 9,
     "runs": [{"key": ..., "setting": {"codec.decay": 0.9}, "seed": 0, "train": "vqaudio train codec ...",
               "steps": 800, "seconds": 81.2, "device": ..., "threads": 1, "torch": ..., "finished": "2026-11-25",
               "measures": {"mel_l1": 0.21, ...},                                  # measured when it was trained
               "curves": {"train_loss": {"step": [20, ...], "value": [9.1, ...]}, ...}}]}   # columns of its metrics.csv
"""

import json
import math
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path

from vqaudio.errors import InputError
from vqaudio.experiments.plan import Experiment, measuring
from vqaudio.files import replace_file


@dataclass(frozen=True)
class Measure:
    """How to show a measure: title, decimals, and a factor."""

    title: str
    digits: int
    factor: float = 1.0


MEASURES = {
    "nmi": Measure("NMI of codes and phones", 3), "pnmi": Measure("PNMI", 3), "phone_purity": Measure("phone purity", 3),
    "mel_l1": Measure("mel-L1", 3), "mel_l1_half": Measure("mel-L1, half of the stages", 3),
    "mel_l1_quarter": Measure("mel-L1, a quarter", 3), "pesq": Measure("PESQ", 2), "estoi": Measure("ESTOI", 3),
    "bits_carried": Measure("bits carried per column", 1), "used": Measure("codewords used %", 1, 100),
    "bits": Measure("bits per cell", 3),
}  # in the order of the table
PLAIN = Measure("", 3)  # a share, as it is
CURVES = {  # column of metrics.csv -> axis label
    "train_loss": "training loss", "train_perplexity": "mean perplexity of the stages",
    "validation_bits": "bits per cell on validation clips",
    "validation_nmi_missing": "1 - NMI of codes and phones on validation clips",
}
RUN_FIELDS = {"key": str, "setting": dict, "seed": int, "measures": dict, "curves": dict, "seconds": float | int}
FINALS = ("nmi", "pnmi", "phone_purity", "mel_l1", "mel_l1_quarter", "pesq", "bits_carried", "bits")


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation over n seeds (NaN for one seed)."""

    mean: float
    deviation: float
    n: int

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        return cls(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else math.nan, len(values))

    def shown(self, measure: Measure) -> str:
        mean, deviation = (f"{measure.factor * value:.{measure.digits}f}" for value in (self.mean, self.deviation))
        return f"{mean} ± {deviation}" if self.n > 1 else mean


@dataclass(frozen=True)
class Group:
    """The runs of one setting, which differ only in their seeds."""

    setting: dict
    runs: list[dict]

    @property
    def name(self) -> str:
        """A label such as "codec.decay 0.9"."""
        return ", ".join(f"{name} {shown(value)}" for name, value in self.setting.items()) or "recipe defaults"

    def over_seeds(self, measure: str) -> Spread | None:
        """The spread over seeds; None if a run lacks this measure."""
        values = [run["measures"].get(measure) for run in self.runs]
        return None if None in values else Spread.of(values)

    def curve(self, column: str) -> tuple[list[int], list[Spread]] | None:
        """Steps and the spread at each; None if a run lacks this curve."""
        curves = [run["curves"].get(column) for run in self.runs]
        if None in curves or any(curve["step"] != curves[0]["step"] for curve in curves):
            return None
        return curves[0]["step"], [Spread.of(list(values)) for values in zip(*(curve["value"] for curve in curves))]


@dataclass(frozen=True)
class Record:
    """A file of results: `asked` runs were planned, and `runs` are the finished ones."""

    experiment: str
    question: str
    kind: str
    recipe: str
    command: str
    varied: list[str]
    asked: int
    runs: list[dict] = field(default_factory=list)

    @classmethod
    def of(cls, experiment: Experiment, command: str, runs: list[dict]) -> "Record":
        e = experiment
        return cls(e.name, e.question, e.kind, e.recipe, command, e.varied, e.size, runs)

    def groups(self) -> list[Group]:
        """Group the runs by setting, in the order of the grid."""
        found: dict[str, Group] = {}
        for run in self.runs:
            found.setdefault(json.dumps(run["setting"]), Group(run["setting"], [])).runs.append(run)
        return list(found.values())

    def by_identity(self) -> dict[tuple, dict]:
        """Runs by `runner.identity`."""
        return {(run["key"], *sorted(measuring(run["setting"]).items())): run for run in self.runs}

    def measured(self) -> list[str]:
        """The MEASURES that every run has."""
        return [name for name in MEASURES if self.runs and all(name in run["measures"] for run in self.runs)]


def read(path: Path) -> Record:
    """Read results; raises InputError if the file is missing or damaged."""
    try:
        record = Record(**json.loads(path.read_text()))
        for run in record.runs:
            for name, kind in RUN_FIELDS.items():
                if not isinstance(run[name], kind):
                    raise TypeError(f"{name} is {run[name]!r}")
        return record
    except FileNotFoundError:
        raise InputError(f"There is no result {path}: `vqaudio experiment run {path.with_suffix('.toml')}` makes it.") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged, or no experiment's result: {error}.") from None


def read_all(folder: Path) -> list[Record]:
    """Read the results of every experiment in a folder that has any."""
    return [read(path.with_suffix(".json")) for path in sorted(folder.glob("*.toml")) if path.with_suffix(".json").exists()]


def write(path: Path, record: Record) -> None:
    """Write results, one run per line with six digits, so that diffs stay readable."""
    head = {name: value for name, value in asdict(record).items() if name != "runs"}
    lines = ",\n  ".join(json.dumps(_rounded(run)) for run in record.runs)
    text = json.dumps(head, indent=1)[:-2] + f',\n "runs": [{chr(10) + "  " + lines + chr(10) + " " if lines else ""}]\n}}\n'
    replace_file(path, lambda temporary: temporary.write_text(text))


def table(record: Record) -> str:
    """A Markdown table: one row per setting, mean ± standard deviation over seeds.

    Raises:
        InputError: no run is finished.
    """
    groups, measures = record.groups(), record.measured()
    if not groups:
        raise InputError(f"{record.experiment} has no finished run: `{record.command}` makes them.")
    lines = [[*record.varied, "seeds", *(MEASURES[name].title for name in measures)]]
    lines.append(["---"] * len(lines[0]))
    for group in groups:
        cells = [group.over_seeds(name).shown(MEASURES[name]) for name in measures]
        lines.append([*(shown(group.setting[name]) for name in record.varied), str(len(group.runs)), *cells])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def title(record: Record) -> str:
    """The title of a figure."""
    seeds = max((len(group.runs) for group in record.groups()), default=0)
    return f"{record.question or record.experiment}\n{record.recipe}, {seeds} seed{'s' if seeds != 1 else ''} per setting"


def curves(record: Record) -> dict[str, list[tuple[str, list[int], list[Spread]]]]:
    """Map each axis label of CURVES to (setting, steps, spread over seeds)."""
    found = {}
    for column, axis in CURVES.items():
        lines = [(group.name, *curve) for group in record.groups() if (curve := group.curve(column))]
        if lines:
            found[axis] = lines
    return found


def finals(record: Record) -> dict[str, list[tuple[str, Spread]]]:
    """Map each measure of FINALS that every run has to the spread of each setting."""
    return {
        MEASURES[name].title: [(group.name, group.over_seeds(name)) for group in record.groups()]
        for name in FINALS if name in record.measured()
    }  # fmt: skip


def in_short(run: dict) -> str:
    """Summarise one run: its first measure and its duration."""
    name, value = next(iter(run["measures"].items()))
    measure = MEASURES.get(name, Measure(name, 4))
    return f"{measure.title} {measure.factor * value:.{measure.digits}f}, {run['seconds']:.0f} s"


def shown(value) -> str:
    """Format an option's value for people."""
    return " ".join(map(shown, value)) if isinstance(value, list) else f"{value:g}" if isinstance(value, float) else str(value)


def _rounded(value):
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value
