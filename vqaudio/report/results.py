"""Read the results files and format them for the report. A missing one is named."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

from vqaudio import hub
from vqaudio.analysis.codebooks import health, load_statistics
from vqaudio.codec import Codec
from vqaudio.energy.record import Energy, joules_in_words
from vqaudio.errors import InputError
from vqaudio.evaluation.card import describe_data, score_note
from vqaudio.experiments.curves import read_table
from vqaudio.provenance import runs_of, trained_on

FIRST = ("fsdd-8khz", "voice-16khz", "notes-16khz")  # the order of codecs; others follow
MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"
FILLS = ("masked", "autoregressive", "diffusion", "naive-bayes")


@dataclass(frozen=True)
class Record:
    """A JSON file of results.

    Attributes:
        path: the name to use in errors.
        command: the command that writes the file.
        data: its content.
    """

    path: Path
    command: str
    data: object

    def __call__(self, *keys):
        """Look up a value by its path of keys. Raises InputError if it is missing."""
        value = self.data
        for key in keys:
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                wanted = ".".join(map(str, keys))
                raise InputError(f"The report needs {wanted} in {self.path}. Run `{self.command}`.") from None
        return value


def record(root: Path, name: str, command: str) -> Record:
    """Read a results file. Raises InputError if it is missing or damaged."""
    try:
        return Record(Path(name), command, json.loads((root / name).read_text()))
    except FileNotFoundError:
        raise InputError(f"The report needs {name}, which is missing. Run `{command}`.") from None
    except ValueError:
        raise InputError(f"{name} is damaged: it is not JSON. Run `{command}`.") from None


@dataclass
class Results:
    """All results, formatted for the template and the figures."""

    root: Path
    codecs: dict[str, dict] = field(default_factory=dict)
    priors: dict[str, dict] = field(default_factory=dict)
    models: dict[str, Codec] = field(default_factory=dict)
    scores: dict[str, list[dict]] = field(default_factory=dict)
    training: list[list[str]] = field(default_factory=list)
    energy: list[list[str]] = field(default_factory=list)
    energy_notes: dict = field(default_factory=dict)
    speed: dict = field(default_factory=dict)
    experiments: list = field(default_factory=list)
    tried: list[tuple] = field(default_factory=list)
    adversary: list[str] = field(default_factory=list)
    date: str = ""

    def for_template(self) -> dict:
        """The template's data."""
        names = ("codecs", "priors", "training", "energy", "energy_notes", "speed", "tried", "adversary", "date")
        return {name: getattr(self, name) for name in names} | {"experiments": [e.for_template() for e in self.experiments]}


def read(root: Path) -> Results:
    """Read all results under a root folder.

    Args:
        root: the folder with weights/, experiments/, benchmarks/results/ and assets/.

    Raises:
        InputError: a result is missing or damaged.
    """
    from vqaudio.report.experiments import read_all

    results = Results(root)
    configs = {
        path.parent.name: json.loads(path.read_text()) for path in sorted((root / "weights").glob("*/config.json"))
    }
    families = {name: str(config.get("module", "")).partition(".")[0] for name, config in configs.items()}
    codecs = [name for name, family in families.items() if family == "codecs"]
    if FIRST[0] not in codecs:
        raise InputError(f"The report needs weights/{FIRST[0]}, which is missing. Restore it.")
    for name in sorted(codecs, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name)):
        _read_codec(results, name)
        for prior in sorted((p for p, c in configs.items() if families[p] == "priors" and c["codec_name"] == name), key=_order):
            _read_prior(results, prior, name)
    dates = [row.pop() for row in results.training]
    results.date = max(dates)
    speed = record(root, "benchmarks/results/codec.json", "python -m benchmarks.codec --json benchmarks/results/codec.json")
    ours = speed("times_real_time", "10.0")
    results.speed = {verb: f"{ours[f'vqaudio {verb}']:.0f}" for verb in ("encode", "decode")} | {"model": speed("model")}
    results.experiments = read_all(root / "experiments")
    tried = read_table(root / "experiments")
    if not tried:
        raise InputError("The report needs experiments/priors.json, the table of prior settings, which is missing. Restore it.")
    results.tried = [row for row in tried if row[0].startswith(tuple(results.codecs))]
    return results


def _order(prior: str) -> int:
    return next((i for i, kind in enumerate(FILLS) if prior.endswith(kind)), len(FILLS))


def _read_codec(results: Results, name: str) -> None:
    folder = results.root / "weights" / name
    metrics = record(results.root, f"weights/{name}/metrics.json", f"vqaudio evaluate codec --model {name} --save")
    rows = metrics("rows")
    codec = results.models[name] = hub.load(folder)
    about = describe_data(trained_on(runs_of(folder)), folder)
    results.scores[name] = rows
    header, body = _columns(rows)
    spec = codec.spec
    results.codecs[name] = {
        "title": hub.about(folder).get("title", name), "knows": about.knows, "name": about.name,
        "parts": f"{about.trained} {about.tested}", "score_note": score_note(metrics.data),
        "stages": len(spec.stages), "vocab": spec.stages[0].vocab, "khz": f"{codec.sample_rate / 1000:g}",
        "frame_rate": f"{spec.frame_rate:g}", "bits": f"{spec.bits_per_second:,.0f}",
        "parameters": f"{sum(p.numel() for p in codec.parameters()) / 1e6:.1f}",
        "megabytes": f"{(folder / 'model.safetensors').stat().st_size / 1e6:.1f}", "header": header, "rows": body,
        "beside": _beside(name, rows) if all(row.get("pesq") is not None for row in rows) else {},
        "shape": "; ".join(dict.fromkeys(_stage_in_words(stage) for stage in spec.stages)),
        "config": {key: value for key, value in vars(codec.config).items() if isinstance(value, int | float | str)},
    } | _codebooks(folder, name)
    _read_training(results, name)
    _read_energy(results, name)


def _stage_in_words(stage) -> str:
    bands = f", {stage.bands} bands" if stage.bands > 1 else ""
    return f"{stage.vocab} codewords{bands}" + (f", {stage.steps} steps per column" if stage.steps > 1 else "")


def _codebooks(folder: Path, name: str) -> dict:
    """How evenly the codewords are used on the test split, over all stages."""
    statistics = load_statistics(folder)
    if statistics is None:
        raise InputError(f"The report needs weights/{name}/codebooks.json, which is missing. Run `vqaudio codebooks`.")
    healths = [health(counts) for counts in statistics.test_counts]
    words, unused = sum(len(counts) for counts in statistics.test_counts), sum(h.dead for h in healths)
    return {
        "used": f"{100 * (1 - unused / words):.1f}", "perplexity": f"{min(h.perplexity for h in healths):.0f}",
        "perplexity_most": f"{max(h.perplexity for h in healths):.0f}",
    }


def _columns(rows: list[dict]) -> tuple[list[str], list[list[str]]]:
    """The table of a codec's scores: header and rows, without empty columns."""
    shown = {
        "pesq": ("PESQ", 2), "estoi": ("ESTOI", 3), "mel_l1": ("mel-L1", 3), "mr_stft": ("MR-STFT", 3), "si_sdr": ("SI-SDR", 1),
        "speaker_similarity": ("speaker", 3), "dnsmos": ("DNSMOS", 2),
    }
    others = {key: (key.replace("_", " "), 3) for row in rows for key in row if key not in {*shown, "bits_per_second"}}
    all_columns = (shown | others).items()
    present = {key: column for key, column in all_columns if any(isinstance(row.get(key), int | float) for row in rows)}
    kinds = list(dict.fromkeys(kind for row in rows for kind in row.get("judged") or {}))
    header = ["codec", "bit/s", *(title for title, _ in present.values()), *(f"{kind} %" for kind in kinds)]
    return header, [_scores(row, present, kinds) for row in rows]


def _scores(row: dict, present: dict, kinds: list[str]) -> list[str]:
    numbers = [_number(row.get(key), digits) for key, (_, digits) in present.items()]
    judged = [_number((row.get("judged") or {}).get(kind), 1, 100) for kind in kinds]
    return [row["name"], f"{row['bits_per_second']:,.0f}", *numbers, *judged]


def _number(value: float | None, digits: int, factor: float = 1) -> str:
    """Format a number; None, NaN and infinity become a dash."""
    known = isinstance(value, int | float) and math.isfinite(value)
    return f"{factor * value:.{digits}f}".replace("-", MINUS) if known else DASH


def _beside(name: str, rows: list[dict]) -> dict[str, str]:
    """Our codec with all stages, the best peer within its rate, and the cheapest as good."""
    ours = max((row for row in rows if row["name"].startswith(f"{name},")), key=lambda row: row["bits_per_second"])
    peers = [row for row in rows if not row["name"].startswith((f"{name},", "original"))]
    within = [row for row in peers if row["bits_per_second"] <= ours["bits_per_second"]]
    as_good = [row for row in peers if row["pesq"] >= ours["pesq"]]
    named = {"ours": ours}
    if within:
        named["best"] = max(within, key=lambda row: row["pesq"])
    if as_good:
        named["cheapest"] = min(as_good, key=lambda row: row["bits_per_second"])
    return {
        key: {
            "name": row["name"], "bits": f"{row['bits_per_second']:,.0f}", "pesq": _number(row["pesq"], 2),
            "estoi": _number(row["estoi"], 3), "mel": _number(row["mel_l1"], 3), "si_sdr": _number(row["si_sdr"], 1),
        }
        for key, row in named.items()
    }


def _read_prior(results: Results, name: str, codec: str) -> None:
    command = f"vqaudio evaluate prior --model {name} --codec {codec} --save"
    metrics = record(results.root, f"weights/{name}/metrics.json", command)
    judges, holes = metrics("judges"), metrics("inpainting")
    own = next((row for row in holes if row["name"] == name), None)
    if own is None:
        raise InputError(f"The report needs the inpainting row {name} in {metrics.path}. Run `{metrics.command}`.")
    part = metrics("split")
    results.priors[name] = {
        "codec": codec, "likelihood": metrics("likelihood"),
        "bits": "n/a" if metrics("likelihood") == "none" else _number(metrics("bits_per_code"), 3),
        "clips": f"{metrics('clips'):,}",
        "judged": {
            kind: {
                "accuracy": _number(judge["accuracy"], 1, 100), "of_decoded": _number(judge["accuracy_of_decoded_clips"], 1, 100),
                "frechet": _number(judge["frechet"], 2), "floor": _number(judge["frechet_floor"], 2),
            }
            for kind, judge in judges.items()
        },
        "near": _number(metrics.data.get("nearest_training_map_generated"), 1, 100),
        "near_test": _number(metrics.data.get(f"nearest_training_map_{part}"), 1, 100),
        "hole": f"{metrics.data['hole_s']:g} s" if metrics.data.get("hole_s") else "30 %",
        "holes": {row["name"]: _hole(row, list(judges)) for row in holes},
    }
    _read_training(results, name)


def _hole(row: dict, kinds: list[str]) -> dict:
    return {kind: _number(row.get(kind), 1, 100) for kind in kinds} | {
        "mel": _number(row["mel_l1"], 3), "seam": _number(row["seam"], 3)
    }


def _read_training(results: Results, name: str) -> None:
    """Add a row to the training table: model, steps, minutes, energy, date."""
    runs = record(results.root, f"weights/{name}/training.json", f"vqaudio publish RUN --name {name}")
    steps = sum(runs(i, "steps") for i in range(len(runs.data)))
    minutes = sum(runs(i, "seconds") for i in range(len(runs.data))) / 60
    if any("adversarial" in runs(i, "command") for i in range(len(runs.data))):
        results.adversary.append(name)
    metered = [run["energy"] for run in runs.data if run.get("energy", {}).get("steps") == run["steps"]]
    energy = "not measured"
    if metered and len(metered) == len(runs.data):
        total = Energy.from_json(metered[0])
        for one in metered[1:]:
            total = total + Energy.from_json(one)
        energy = f"{joules_in_words(total.joules)}, {total.state}"
    took = f"{minutes:.0f}" if minutes >= 1 else f"{minutes:.1f}"
    results.training.append([name, f"{steps:,}", took, energy, runs(-1, "finished")])


def _spread(mean: float, deviation: float) -> str:
    """Format as "2.8 ± 0.3": two digits of the mean, and the deviation to match."""
    if mean <= 0:
        return f"{mean:.2g} ± {deviation:.1g}"
    digits = max(0, 1 - math.floor(math.log10(mean)))
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"


def _read_energy(results: Results, name: str) -> None:
    energy = record(results.root, f"weights/{name}/energy.json", f"vqaudio energy --model {name} --save")
    for use in energy("uses"):
        results.energy.append([
            use["what"], use["model"], _spread(use["above_idle"], use["above_idle_spread"]),
            _spread(use["joules"], use["spread"]), use["state"],
        ])  # fmt: skip
    spent = Energy.from_json(energy("all_stretches"))
    idle = [f"{part.idle_w:.2g} W ({part.name})" for part in spent.components if part.idle_w is not None]
    results.energy_notes = {
        "device": spent.device, "carbon": spent.carbon_by, "repeats": str(energy("uses", 0, "repeats")),
        "load": f"{energy('load')}",
        "parts": [f"{part.name} {part.state}: {part.by}" for part in spent.components], "idle": " and ".join(idle),
    }
