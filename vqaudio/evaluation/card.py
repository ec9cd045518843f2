"""Model cards: README.md of a model's folder, written from what was recorded beside the weights. Nothing is typed in by hand."""

import json
from pathlib import Path

from vqaudio.analysis.codebooks import health, load_statistics
from vqaudio.codec import Codec
from vqaudio.codes import CodeSpec
from vqaudio.data import dataset_named
from vqaudio.data.clips import About
from vqaudio.energy.record import Energy
from vqaudio.errors import InputError
from vqaudio.evaluation.codec_evaluation import Scores, table
from vqaudio.files import replace_file

CODEC_CARD = """---
license: {about.licence}
library_name: vqaudio
tags: [audio, codec, residual-vector-quantization, speech]
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

{about.parts}

## What it reaches on the test split

{scores}

{about.heard} Measured by `{evaluation_command}`.

Codebooks over the test split (measured by `vqaudio codebooks`):

{health}

## Limits

{about.knows} {about.beyond}; the input is resampled to {rate} Hz, so nothing above {nyquist} Hz survives.

## Data and licence

{about.source}
"""


def write_codec_card(codec: Codec, folder: Path) -> None:
    """Write `folder`/README.md from config.json, training.json, metrics.json and the codebook statistics there."""
    training, metrics = read_record(folder, "training.json"), read_record(folder, "metrics.json")
    spec = codec.spec
    level = "left in the codes"
    if codec.reference_level_db is not None:
        level = f"each clip is brought to {codec.reference_level_db:g} dBFS; its own is kept beside the codes: 8 bits a clip"
    text = CODEC_CARD.format(
        about=about(metrics), name=folder.resolve().name, rate=codec.sample_rate, nyquist=codec.sample_rate // 2,
        stages=stages_in_words(spec), frame_rate=spec.frame_rate, bits_per_second=spec.bits_per_second, level=level,
        per_stage=", ".join(dict.fromkeys(f"{stage.rows * stage.bits * spec.frame_rate:.0f}" for stage in spec.stages)),
        parameters=sum(p.numel() for p in codec.parameters()) / 1e6,
        megabytes=(folder / "model.safetensors").stat().st_size / 1e6, context=codec.context,
        context_s=codec.context / spec.frame_rate, delay_ms=1000 * codec.delay_s, ahead=codec.look_ahead,
        training=training_in_words(training), scores=_scores(metrics),
        evaluation_command=metrics["command"] if metrics else "vqaudio evaluate codec", health=_health(folder),
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


def about(metrics: dict | None) -> About:
    """What is to be said of the dataset that the numbers are from."""
    return getattr(dataset_named((metrics or {}).get("dataset", "fsdd")), "ABOUT", About())


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


def read_record(folder: Path, name: str):
    """What a JSON file beside the weights says; None where there is no such file. Raises InputError if it is damaged."""
    try:
        return json.loads((folder / name).read_text())
    except FileNotFoundError:
        return None
    except json.JSONDecodeError:
        raise InputError(f"{folder / name} is damaged: it is not JSON.") from None


def training_in_words(runs: list[dict] | None) -> str:
    """One line a run, in the order in which they were made."""
    if not runs:
        return "Not recorded."
    return "\n".join(
        f"{i}. `{run['command']}`: {run['steps']} steps in {run['seconds'] / 60:.0f} minutes, "
        f"{run['processes']} process(es) of {run['threads']} thread(s) on {run['device']}, torch {run['torch']}, "
        f"{run['finished']}; {_energy_in_words(run)}."
        for i, run in enumerate(runs, 1)
    )


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


def _health(folder: Path) -> str:
    statistics = load_statistics(folder)
    if statistics is None:
        return "Not measured."
    lines = ["| stage | perplexity | entropy, bits an index | words never used |", "| --- | --- | --- | --- |"]
    for j, counts in enumerate(statistics.test_counts, 1):
        h = health(counts)
        lines.append(f"| {j} | {h.perplexity:.0f} | {h.entropy_bits:.2f} of {len(counts).bit_length() - 1} | {h.dead} |")
    return "\n".join(lines)
