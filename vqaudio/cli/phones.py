"""The commands that compare codes with phones."""

import json
from pathlib import Path
from typing import Annotated, Literal

import tyro

from vqaudio import ranges
from vqaudio.cli.options import arg
from vqaudio.errors import InputError

Model = Annotated[str, tyro.conf.arg(help="A name in weights/, a folder, or a Hub id; its first stage is looked at.")]
Data = Annotated[Path | None, tyro.conf.arg(help="The dataset's folder; by default $VQAUDIO_DATA, or the download.")]
Dataset = Annotated[str, tyro.conf.arg(help="A dataset whose clips have phones, such as festvox-ru or speech.")]
Part = Annotated[Literal["train", "validation", "test"], tyro.conf.arg(help="Which part of the dataset.")]
Json = Annotated[Path | None, tyro.conf.arg(help="Also write the numbers here, as .json.")]
Seed = Annotated[ranges.Seed32, tyro.conf.arg(help="Of k-means and of random codes.")]
FIGURES = (".png", ".svg", ".pdf")
MODEL = "speech-16khz"


def align(
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="A folder: one .TextGrid a clip, and alignments.json.")],
    model: Model = MODEL, data: Data = None, dataset: Dataset = "festvox-ru", part: Part = "test",
) -> None:
    """Write phones and codes over time, as TextGrid for Praat and as JSON."""
    from vqaudio.data.annotations import write_textgrid
    from vqaudio.timed_labels import to_json

    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder for the alignments.")
    found, utterances = {}, _utterances(model, data, dataset, part)
    out.mkdir(parents=True, exist_ok=True)
    for one in utterances:
        phones = [label for label in one.labels if label.kind == "phone"]
        codes, seconds = one.code_segments(), max(len(one.ids) / one.rate, phones[-1].end_s)
        write_textgrid(out / f"{one.name.replace('/', '-')}.TextGrid", {"phones": phones, "codes": codes}, seconds)
        found[one.name] = {"phones": to_json(phones), "codes": to_json(codes)}
    _write(out / "alignments.json", found)
    print(f"{out}: {len(utterances)} clips")


def bigrams(
    target: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="A .png, .svg or .pdf figure, or .json for the numbers.")],
    model: Model = MODEL, data: Data = None, dataset: Dataset = "festvox-ru", part: Part = "test",
) -> None:
    """Show which phone follows which, and which code, with the diagonal and without."""
    from vqaudio.analysis import phones

    _check_target(target, (*FIGURES, ".json"))
    utterances = _utterances(model, data, dataset, part)
    frames = [one.frames() for one in utterances]
    tables = {}
    for name, sequences in (("phones", [p.tolist() for p, _ in frames]), ("codes", [c.tolist() for _, c in frames])):
        names = sorted({value for sequence in sequences for value in sequence})
        for diagonal in (True, False):
            matrix = phones.bigrams(sequences, names, diagonal)
            tables[f"{name}, {'with' if diagonal else 'without'} the diagonal"] = (names, matrix)
    if target.suffix == ".json":
        _write(target, {title: {"names": names, "probabilities": matrix.tolist()} for title, (names, matrix) in tables.items()})
    else:
        from vqaudio.cli.plot import save
        from vqaudio.plots import matrices_figure

        save(matrices_figure(tables, "Probability that a column's name follows a row's"), target)
    print(target)


def frequency(
    model: Model = MODEL, data: Data = None, dataset: Dataset = "festvox-ru", part: Part = "test", out: Json = None
) -> None:
    """Print how often each phone and each codeword occurs."""
    from vqaudio.analysis import phones

    _check_json(out)
    shares = phones.frequencies(*phones.all_frames(_utterances(model, data, dataset, part)))
    for kind, found in zip(("phones", "codewords"), shares):
        print(f"{kind}: " + ", ".join(f"{name} {share:.1%}" for name, share in found.items()))
    _write(out, dict(zip(("phones", "codewords"), shares)))


def length(
    model: Model = MODEL, data: Data = None, dataset: Dataset = "festvox-ru", part: Part = "test", out: Json = None
) -> None:
    """Print how many phones, and how many segments of one code, an utterance has."""
    from vqaudio.analysis import phones

    _check_json(out)
    means = phones.mean_lengths(_utterances(model, data, dataset, part))
    print(", ".join(f"{name.replace('_', ' ')} {value:.1f}" for name, value in means.items()) + " (means an utterance)")
    _write(out, means)


def map_codes(
    model: Model = MODEL, data: Data = None, dataset: Dataset = "festvox-ru", part: Part = "test", out: Json = None
) -> None:
    """Map codewords to phones on the training part; score it on another part."""
    from vqaudio.analysis import phones

    _check_json(out)
    codec, train, clips = _clips(model, data, dataset, part)
    from vqaudio.analysis import units

    mapped = phones.mapping(*phones.all_frames(units.of_codec(codec, train)))
    right = phones.accuracy(mapped, *phones.all_frames(units.of_codec(codec, clips)))
    for code, (phone, share) in mapped.items():
        print(f"{code:>5} mostly {phone}, {share:.0%}")
    print(f"accuracy on the {part} part: {right:.1%}")
    named = {str(code): {"phone": phone, "share": share} for code, (phone, share) in mapped.items()}
    _write(out, {"codewords": named, "accuracy": right})


def metrics(
    model: Model = MODEL, data: Data = None, dataset: Dataset = "festvox-ru",
    part: Annotated[
        Literal["train", "validation", "test"] | None, arg(help="Which part. Default: test; with --over always validation.")
    ] = None,
    seed: Seed = 0, out: Json = None,
    over: Annotated[
        Literal["sizes", "seeds"] | None,
        arg(
            help="Instead of --model: an experiment's runs, over its codebook sizes, or over the seeds of the recipe's own size. "
            "Default: only the model."
        ),
    ] = None,
    experiment: Annotated[Path, tyro.conf.arg(help="For --over: an experiment file or its results.")] = Path(
        "experiments/speech-sizes.toml"
    ),
    figure: Annotated[Path | None, arg(help="For --over: also draw a .png, .svg or .pdf. Default: no figure.")] = None,
) -> None:
    """Print how much codes say about phones, beside k-means and a random code.

    K-means is on MFCC-39 with as many centres.

    NMI, AMI, ARI, homogeneity, completeness, V-measure, PNMI, phone purity and cluster purity, over frames of 10 ms.
    """
    from vqaudio.analysis import phones

    _check_json(out)
    if over is not None:
        return _metrics_over(over, experiment, data, dataset, part, out, figure)
    if figure is not None:
        raise InputError("--figure draws an experiment. Name --over sizes or --over seeds, or leave it out.")
    part = part or "test"
    rows = {name: phones.scores(*phones.all_frames(found)) for name, found in _beside(model, data, dataset, part, seed).items()}
    _print_table(rows)
    _write(out, rows)


def _metrics_over(
    over: str, experiment: Path, data: Path | None, dataset: str, part: str | None, out: Path | None, figure: Path | None
) -> None:
    """The runs of an experiment beside k-means and random codes, as a table, and as a figure."""
    from vqaudio.cli.plot import save
    from vqaudio.experiments import phone_units, records
    from vqaudio.experiments.records import PLAIN
    from vqaudio.speech_plots import seeds_figure, sizes_figure

    if part not in (None, "validation"):
        raise InputError(f"An experiment is measured on validation clips. Leave out --part {part}, or use --part validation.")
    if figure is not None:
        _check_target(figure, FIGURES)
    record = records.read(experiment.with_suffix(".json"))
    train, clips = _labelled(data, dataset, "validation", phone_units.sample_rate(record))
    found = phone_units.sizes(record, train, clips)
    shown = found if over == "sizes" else [phone_units.default_size(record, found)]
    for size in shown:
        print(f"{size.vocab} codewords, {len(size.seeds)} seeds")
        _print_table({name: {m: size.spread(name, m).shown(PLAIN) for m in phone_units.MEASURES} for name in size.scores})
    if figure is not None:
        save((sizes_figure if over == "sizes" else seeds_figure)(records.title(record), shown), figure)
    _write(out, {str(size.vocab): {"seeds": size.seeds, "scores": size.scores} for size in shown})


def abx(
    model: Model = MODEL, data: Data = None, dataset: Dataset = "festvox-ru", part: Part = "test", seed: Seed = 0,
    out: Json = None,
) -> None:
    """Print the within-speaker ABX error; chance is 50 %.

    Tokens are means of frames, compared by cosine, in any context.
    """
    from vqaudio.analysis import abx as test

    _check_json(out)
    rows = {name: {"abx_error": test.error(found, seed)} for name, found in _beside(model, data, dataset, part, seed).items()}
    _print_table(rows)
    _write(out, rows)


def measure(
    model: Model = MODEL, data: Data = None, dataset: Dataset = "festvox-ru", seed: Seed = 0,
) -> None:
    """Measure codewords against phones, for the app to show.

    Saves phones.json with the weights: each codeword's phones in the training part; metrics and bigrams of the test part.
    """
    from vqaudio import hub
    from vqaudio.analysis import phone_record
    from vqaudio.provenance import recorded_command

    codec, train, test = _clips(model, data, dataset, "test")
    record = phone_record.measure(codec, codec.name, train, test, dataset, recorded_command(), seed)
    phone_record.save(record, hub.folder_of(model))
    print(f"{record.test_clips} clips: NMI {record.metrics[codec.name]['nmi']:.3f}, accuracy {record.accuracy:.1%}")
    print(hub.folder_of(model) / phone_record.FILE)


def _clips(model: str, data: Path | None, dataset: str, part: str):
    """The codec, the training clips with phones, and those of the part."""
    from vqaudio import hub

    codec = hub.load(model)
    return codec, *_labelled(data, dataset, part, codec.sample_rate)


def _labelled(data: Path | None, dataset: str, part: str, sample_rate: int):
    """The training clips with phones, and those of the part."""
    from vqaudio.analysis import units
    from vqaudio.data import load_split

    name = dataset.replace("-", "_")
    return tuple(units.labelled(load_split(name, one, data, sample_rate)) for one in ("train", part))


def _utterances(model: str, data: Path | None, dataset: str, part: str):
    from vqaudio import hub
    from vqaudio.analysis import units
    from vqaudio.data import load_split

    codec = hub.load(model)
    return units.of_codec(codec, units.labelled(load_split(dataset.replace("-", "_"), part, data, codec.sample_rate)))


def _beside(model: str, data: Path | None, dataset: str, part: str, seed: int) -> dict[str, list]:
    """The utterances in the codec's units, in those of k-means, and in random ones."""
    from vqaudio.analysis import units

    codec, train, clips = _clips(model, data, dataset, part)
    vocab, found = codec.spec.stages[0].vocab, units.of_codec(codec, clips)
    kmeans = units.KMeansUnits(train, vocab, codec.sample_rate, seed).of(clips)
    return {model: found, f"k-means on MFCC-39, {vocab}": kmeans, "random": units.at_random(found, vocab, seed)}


def _print_table(rows: dict[str, dict[str, float | str]]) -> None:
    names = list(next(iter(rows.values())))
    width = max(map(len, rows))
    print(" " * width + "".join(f"  {name:>14}" for name in names))
    for name, values in rows.items():
        print(f"{name:<{width}}" + "".join(f"  {_cell(values[one]):>14}" for one in names))


def _cell(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3f}"


def _check_json(path: Path | None) -> None:
    if path is not None:
        _check_target(path, (".json",))


def _check_target(path: Path, endings: tuple[str, ...]) -> None:
    from vqaudio.files import check_folder

    if path.suffix.lower() not in endings:
        raise InputError(f"{path} should end in {' or '.join(endings)}.")
    check_folder(path)


def _write(path: Path | None, record: dict) -> None:
    from vqaudio.files import replace_file

    if path is not None:
        replace_file(path, lambda temporary: temporary.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n"))
