"""Model cards: the README.md in a model's folder.

Everything in a card comes from the records saved with the weights. Nothing is typed in by hand.
"""

import math
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

A residual vector-quantised autoencoder for {rate} Hz mono audio, trained on {about.name} with [vqaudio](../../README.md).

| | |
| --- | --- |
| codes | {stages}, {frame_rate:g} columns per second: {bits_per_second:.0f} bit/s |
| bit rate per stage | {per_stage} bit/s |
| level | {level} |
| size | {parameters:.1f} M parameters; {megabytes:.1f} MB in half precision |
| context | the sound of a column depends on at most {context} columns ({context_s:.2f} s) on either side |
| latency | {delay_ms:.0f} ms: look-ahead of {ahead[0]} columns in the encoder and {ahead[1]} in the decoder, plus one column |

## Training

{training}

{about.trained}

## Results{split}

{scores}

{measured}

Codebook use on the test split{codebooks_of}, measured by `vqaudio codebooks`:

{health}

## Limits

{about.knows} {about.beyond}. Input is resampled to {rate} Hz, so nothing above {nyquist} Hz survives.

## Data and licence

{about.source}
"""


def write_codec_card(codec: Codec, folder: Path) -> None:
    """Write a codec's model card, `folder`/README.md.

    Reads config.json, training.json, metrics.json and the codebook statistics in the folder.
    """
    runs, metrics, statistics = runs_of(folder), read_record(folder, "metrics.json"), load_statistics(folder)
    data, spec = trained_on(runs), codec.spec
    about_data = describe_data(data, folder)
    level = "not normalised"
    if codec.reference_level_db is not None:
        level = f"normalised to {codec.reference_level_db:g} dBFS; each clip's own level is stored with the codes, in 8 bits"
    text = CODEC_CARD.format(
        about=about_data, tags=", ".join(("audio", "codec", "residual-vector-quantization", *about_data.tags)),
        name=folder.resolve().name, rate=codec.sample_rate, nyquist=codec.sample_rate // 2,
        stages=stages_in_words(spec), frame_rate=spec.frame_rate, bits_per_second=spec.bits_per_second, level=level,
        per_stage=", ".join(dict.fromkeys(f"{stage.rows * stage.bits * spec.frame_rate:.0f}" for stage in spec.stages)),
        parameters=sum(p.numel() for p in codec.parameters()) / 1e6,
        megabytes=(folder / "model.safetensors").stat().st_size / 1e6, context=codec.context,
        context_s=codec.context / spec.frame_rate, delay_ms=1000 * codec.delay_s, ahead=codec.look_ahead,
        training=training_in_words(runs), split=on_split(metrics), scores=_scores(metrics), measured=_measured(metrics, data),
        codebooks_of=_other_dataset(statistics and statistics.dataset, data), health=_health(statistics),
    )
    replace_file(folder / "README.md", lambda path: path.write_text(text))


def stages_in_words(spec: CodeSpec) -> str:
    """Describe the stages: "8 stages of 256 codewords" and the like.

    Equal stages are counted together. Other shapes read "2 stages of 4 bands, 512 codewords per cell".
    """
    kinds = {stage: spec.stages.count(stage) for stage in spec.stages}
    shapes = [
        " by ".join(f"{n} {name}s" for n, name in ((stage.bands, "band"), (stage.steps, "step")) if n > 1) for stage in kinds
    ]
    groups = [
        f"{n} stage{'s' * (n > 1)} of {f'{shape}, ' if shape else ''}{stage.vocab} codewords{' per cell' if shape else ''}"
        for (stage, n), shape in zip(kinds.items(), shapes)
    ]
    return "; ".join(groups)


def describe_data(data: list[dict], folder: Path) -> About:
    """Merge the descriptions of all datasets that a model was trained on.

    Args:
        data: see `provenance.trained_on`.
        folder: the model's folder; its about.json may state a licence, see `vqaudio publish --licence`.
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


def score_note(metrics: dict) -> str:
    """Say what the scores are means over.

    Old records lack the number of clips.
    """
    text = about(metrics.get("dataset")).score_note if "clips" in metrics else "Means over the clips."
    return text.format(clips=metrics.get("clips"), utterances=metrics.get("utterances"))


def on_split(metrics: dict | None) -> str:
    """End a heading with the split that was measured."""
    split = (metrics or {}).get("split")
    return f" on the {split} split" if split else ""


def _other_dataset(dataset: str | None, data: list[dict]) -> str:
    """Name the dataset that was scored, if the model was trained on another one."""
    if dataset is None or dataset in [one.get("dataset") for one in data]:
        return ""
    return f" of {about(dataset).name}"


def measured_on(metrics: dict, data: list[dict]) -> str:
    """Say which recordings were scored: the split, and any other dataset."""
    dataset, split = metrics.get("dataset"), metrics.get("split")
    other = _other_dataset(dataset, data)
    part = {
        "test": about(dataset).tested, None: "Which split the clips are from was not recorded.",
    }.get(split, "Weights and settings were chosen on these clips, so other recordings may score lower.")
    return " ".join(filter(None, [f"The clips are from{other.removeprefix(' of')}." if other else "", part]))


def _measured(metrics: dict | None, data: list[dict]) -> str:
    if not metrics:
        return "Run `vqaudio evaluate codec --save` to measure it."
    return " ".join(filter(None, [score_note(metrics), measured_on(metrics, data), f"Measured by `{metrics['command']}`."]))


def write_table(folder: Path, page: Path) -> None:
    """Write the table of metrics.json between the model's markers in a page."""
    put_table(page, folder.resolve().name, _scores(read_record(folder, "metrics.json")))


def put_table(page: Path, name: str, table: str) -> None:
    """Write a table between `<!-- table: NAME ... -->` and `<!-- /table -->`.

    Raises:
        InputError: the page has no such markers.
    """
    head, marker, rest = page.read_text().partition(f"<!-- table: {name} ")
    comment, end, tail = rest.partition("<!-- /table -->")
    if not marker or not end:
        raise InputError(f"{page} has no place for this table. Add `<!-- table: {name} -->` and `<!-- /table -->`.")
    new = f"{head}{marker}{comment.splitlines()[0]}\n{table}\n{end}{tail}"
    replace_file(page, lambda path: path.write_text(new))


def training_in_words(runs: list[dict] | None) -> str:
    """Describe the training runs, one line each, in order."""
    if not runs:
        return "Not recorded."
    return "\n".join(
        f"{i}. `{run['command']}`: {run['steps']} steps in {run['seconds'] / 60:.0f} minutes on {run['device']} "
        f"({_count(run['processes'], 'process', 'es')} with {_count(run['threads'], 'thread')}), torch {run['torch']}, "
        f"{run['finished']}{_data_in_words(run.get('data'))}; {_energy_in_words(run)}."
        for i, run in enumerate(runs, 1)
    )


def _count(n: int, noun: str, plural: str = "s") -> str:
    return f"{n} {noun}{plural * (n != 1)}"


def _data_in_words(data: dict | None) -> str:
    """The dataset of a run and the size of each part, as far as recorded."""
    if not data:
        return "; data not recorded"
    sizes = [
        f"{size[what]:,} {'training' if part == 'train' else part} {what}"
        + (f" ({size['seconds'] / 60:.1f} minutes)" if size.get("seconds") else "")
        for part, size in data.get("splits", {}).items() for what in ("clips", "questions") if size.get(what)
    ]
    return f"; dataset {data['dataset']}{': ' if sizes else ''}{', '.join(sizes)}"


def _energy_in_words(run: dict) -> str:
    """The energy of a run, as far as it was metered."""
    if "energy" not in run:
        return "energy not measured"
    energy, metered = Energy.from_json(run["energy"]).in_words(), []
    if run["energy"]["steps"] != run["steps"]:
        metered.append(f"{run['energy']['steps']} of its steps")
    if run["processes"] > 1:
        metered.append("the first process")
    return f"{energy}{', for only ' + ' and '.join(metered) if metered else ''}"


def _scores(metrics: dict | None) -> str:
    return table([Scores(**row) for row in metrics["rows"]]) if metrics else "Not measured."


def _health(statistics: CodebookStatistics | None) -> str:
    if statistics is None:
        return "Not measured."
    lines = ["| stage | perplexity | entropy, bits per index | unused codewords |", "| --- | --- | --- | --- |"]
    for j, counts in enumerate(statistics.test_counts, 1):
        h = health(counts)
        lines.append(f"| {j} | {h.perplexity:.0f} | {h.entropy_bits:.2f} of {math.log2(len(counts)):.3g} | {h.dead} |")
    return "\n".join(lines)
