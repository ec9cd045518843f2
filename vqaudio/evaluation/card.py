"""Model cards: README.md of a model's folder, written from what was recorded beside the weights. Nothing is typed in by hand."""

from dataclasses import replace
from pathlib import Path

from vqaudio import hub
from vqaudio.analysis.codebooks import CodebookStatistics, health, load_statistics
from vqaudio.codec import Codec
from vqaudio.codes import CodeSpec
from vqaudio.data import about
from vqaudio.data.clips import About
from vqaudio.energy.record import Energy
from vqaudio.errors import InputError
from vqaudio.evaluation.codec_evaluation import Scores, table
from vqaudio.files import replace_file
from vqaudio.provenance import read_record, runs_of, trained_on

CODEC_CARD = """---
license: {about.licence}
library_name: vqaudio
tags: [{tags}]
---
# {name}

A residual vector-quantised autoencoder for {rate} Hz mono sound, trained on {about.name} with [vqaudio](../../README.md).

| | |
| --- | --- |
| codes | {stages}, {frame_rate:g} columns a second: {bits_per_second:.0f} bit/s |
| rate of a stage | {per_stage} bit/s |
| level | {level} |
| size | {parameters:.1f} M parameters; {megabytes:.1f} MB in half precision |
| reach | a column's sound depends on {context} columns ({context_s:.2f} s) on either side at the most |
| live | {delay_ms:.0f} ms of delay: ids wait for {ahead[0]} columns, their sound for {ahead[1]} more, and a column has to fill |

## Training

{training}

{about.trained}

## What it reaches{split}

{scores}

{measured}

Codebooks over the test split{codebooks_of} (measured by `vqaudio codebooks`):

{health}

## Limits

{about.knows} {about.beyond}; the input is resampled to {rate} Hz, so nothing above {nyquist} Hz survives.

## Data and licence

{about.source}
"""


def write_codec_card(codec: Codec, folder: Path) -> None:
    """Write `folder`/README.md from config.json, training.json, metrics.json and the codebook statistics there."""
    runs, metrics, statistics = runs_of(folder), read_record(folder, "metrics.json"), load_statistics(folder)
    data, spec = trained_on(runs), codec.spec
    told = described(data, folder)
    level = "left in the codes"
    if codec.reference_level_db is not None:
        level = f"each clip is brought to {codec.reference_level_db:g} dBFS; its own is kept beside the codes: 8 bits a clip"
    text = CODEC_CARD.format(
        about=told, tags=", ".join(("audio", "codec", "residual-vector-quantization", *told.tags)),
        name=folder.resolve().name, rate=codec.sample_rate, nyquist=codec.sample_rate // 2,
        stages=stages_in_words(spec), frame_rate=spec.frame_rate, bits_per_second=spec.bits_per_second, level=level,
        per_stage=", ".join(dict.fromkeys(f"{stage.rows * stage.bits * spec.frame_rate:.0f}" for stage in spec.stages)),
        parameters=sum(p.numel() for p in codec.parameters()) / 1e6,
        megabytes=(folder / "model.safetensors").stat().st_size / 1e6, context=codec.context,
        context_s=codec.context / spec.frame_rate, delay_ms=1000 * codec.delay_s, ahead=codec.look_ahead,
        training=training_in_words(runs), split=on_split(metrics), scores=_scores(metrics), measured=_measured(metrics, data),
        codebooks_of=_elsewhere(statistics and statistics.dataset, data), health=_health(statistics),
    )
    replace_file(folder / "README.md", lambda path: path.write_text(text))


def stages_in_words(spec: CodeSpec) -> str:
    """Stages of a kind together: "8 stages of 256 codewords", "2 stages of 4 bands, 512 codewords each cell"."""
    kinds = {stage: spec.stages.count(stage) for stage in spec.stages}
    shapes = [
        " by ".join(f"{n} {name}s" for n, name in ((stage.bands, "band"), (stage.steps, "step")) if n > 1) for stage in kinds
    ]
    told = [
        f"{n} stage{'s' * (n > 1)} of {f'{shape}, ' if shape else ''}{stage.vocab} codewords{' each cell' if shape else ''}"
        for (stage, n), shape in zip(kinds.items(), shapes)
    ]
    return "; ".join(told)


def described(data: list[dict], folder: Path) -> About:
    """What a card says about everything that a model was trained on.

    Args:
        data: see `provenance.trained_on`.
        folder: of the model, whose about.json may state a licence, see `vqaudio publish --licence`.
    """
    abouts = list(dict.fromkeys(about(one.get("dataset")) for one in data))
    licences = {one.get("licence", "unknown") for one in data}
    licence = licences.pop() if len(licences) == 1 else "unknown" if "unknown" in licences else "other"
    sources = [one.source for one in abouts]
    if stated := hub.about(folder).get("licence"):
        licence = stated
        sources = [*(one for one in sources if one != About.source), f"The publisher states the licence {stated}."]
    return replace(
        abouts[-1], name=", then on ".join(one.name for one in abouts), trained=" ".join(one.trained for one in abouts),
        knows=" ".join(one.knows for one in abouts), source=" ".join(sources), licence=licence,
        tags=tuple(dict.fromkeys(tag for one in abouts for tag in one.tags)),
    )


def heard(metrics: dict) -> str:
    """What the figures are means over. Records from before their clips were counted do not say how many."""
    text = about(metrics.get("dataset")).score_note if "clips" in metrics else "Means over the clips."
    return text.format(clips=metrics.get("clips"), utterances=metrics.get("utterances"))


def on_split(metrics: dict | None) -> str:
    split = (metrics or {}).get("split")
    return f" on the {split} split" if split else ""


def _elsewhere(dataset: str | None, data: list[dict]) -> str:
    """Names the dataset of a measurement where the model was trained on another one."""
    if dataset is None or dataset in [one.get("dataset") for one in data]:
        return ""
    return f" of {about(dataset).name}"


def measured_on(metrics: dict, data: list[dict]) -> str:
    """Which recordings the figures are from: the dataset, where it is not the one trained on, and its part."""
    dataset, split = metrics.get("dataset"), metrics.get("split")
    elsewhere = _elsewhere(dataset, data)
    part = {
        "test": about(dataset).tested, None: "Which part of the data the clips are from was not recorded.",
    }.get(split, "Weights and settings were chosen on these clips: on other recordings the model may do worse.")
    return " ".join(filter(None, [f"The clips are from{elsewhere.removeprefix(' of')}." if elsewhere else "", part]))


def _measured(metrics: dict | None, data: list[dict]) -> str:
    if not metrics:
        return "`vqaudio evaluate codec --save` measures it."
    return " ".join(filter(None, [heard(metrics), measured_on(metrics, data), f"Measured by `{metrics['command']}`."]))


def write_table(folder: Path, page: Path) -> None:
    """Put the table of metrics.json between the model's two marks of a page."""
    put_table(page, folder.resolve().name, _scores(read_record(folder, "metrics.json")))


def put_table(page: Path, name: str, table: str) -> None:
    """Put a table between its two marks of a page: `<!-- table: NAME ... -->` and `<!-- /table -->`. InputError without marks."""
    head, mark, rest = page.read_text().partition(f"<!-- table: {name} ")
    comment, end, tail = rest.partition("<!-- /table -->")
    if not mark or not end:
        raise InputError(f"{page} has no `<!-- table: {name} -->` and `<!-- /table -->` to write between.")
    new = f"{head}{mark}{comment.splitlines()[0]}\n{table}\n{end}{tail}"
    replace_file(page, lambda path: path.write_text(new))


def training_in_words(runs: list[dict] | None) -> str:
    """One line a run, in the order in which they were made."""
    if not runs:
        return "Not recorded."
    return "\n".join(
        f"{i}. `{run['command']}`: {run['steps']} steps in {run['seconds'] / 60:.0f} minutes, "
        f"{run['processes']} process(es) of {run['threads']} thread(s) on {run['device']}, torch {run['torch']}, "
        f"{run['finished']}{_data_in_words(run.get('data'))}; {_energy_in_words(run)}."
        for i, run in enumerate(runs, 1)
    )


def _data_in_words(data: dict | None) -> str:
    """The dataset and how much of each part a run was given, as far as that was recorded."""
    if not data:
        return "; data not recorded"
    sizes = [
        f"{size[what]:,} {part} {what}" + (f" ({size['seconds'] / 60:.1f} minutes)" if size.get("seconds") else "")
        for part, size in data.get("splits", {}).items() for what in ("clips", "questions") if size.get(what)
    ]
    return f"; dataset {data['dataset']}{': ' if sizes else ''}{', '.join(sizes)}"


def _energy_in_words(run: dict) -> str:
    """What a run took, as far as it was metered."""
    if "energy" not in run:
        return "energy not measured"
    told, of = Energy.from_json(run["energy"]).in_words(), []
    if run["energy"]["steps"] != run["steps"]:
        of.append(f"{run['energy']['steps']} of its steps")
    if run["processes"] > 1:
        of.append("the first of its processes")
    return f"{told}{', of ' + ' and '.join(of) + ' only' if of else ''}"


def _scores(metrics: dict | None) -> str:
    return table([Scores(**row) for row in metrics["rows"]]) if metrics else "Not measured."


def _health(statistics: CodebookStatistics | None) -> str:
    if statistics is None:
        return "Not measured."
    lines = ["| stage | perplexity | entropy, bits an index | words never used |", "| --- | --- | --- | --- |"]
    for j, counts in enumerate(statistics.test_counts, 1):
        h = health(counts)
        lines.append(f"| {j} | {h.perplexity:.0f} | {h.entropy_bits:.2f} of {len(counts).bit_length() - 1} | {h.dead} |")
    return "\n".join(lines)
