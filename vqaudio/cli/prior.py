"""Prior commands: generate, inpaint, fill, replay, score, evaluate."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import tyro

from vqaudio import ranges
from vqaudio.cli.measure import JUDGES, Data, Dataset, Judges
from vqaudio.cli.options import arg
from vqaudio.cli.sound import (
    AnyModel,
    AudioIn,
    AudioOut,
    Device,
    FileModel,
    VqaIn,
    VqaOut,
    chosen_model,
    chosen_seed,
    model_in,
)
from vqaudio.errors import InputError
from vqaudio.provenance import recorded_command
from vqaudio.sampling import UNSET, Sampling

Codec = Annotated[str, tyro.conf.arg(help="The codec: a name in weights/, a folder, or a Hub id.")]
DIGITS = "fsdd-8khz"
DigitsCodec = Annotated[str | None, arg(help=f"The codec: a name in weights/, a folder, or a Hub id. Default: {DIGITS}.")]
Prior = Annotated[str, tyro.conf.arg(help="masked, autoregressive, diffusion, naive-bayes, or a prior's name, folder or Hub id.")]
Labels = Annotated[
    tuple[str, ...], tyro.conf.arg(help="Conditioning labels, such as digit=7 speaker=theo.", metavar="KIND=VALUE")
]
Seed = Annotated[ranges.Seed | None, arg(help="Random seed. Default: a new one, which is printed.")]
Settings = Annotated[Sampling, tyro.conf.arg(name="")]  # its fields are options: --temperature, --top-k, ...
Variations = Annotated[
    ranges.Variations, tyro.conf.arg(help="Number of variations, with consecutive seeds: OUT-1, OUT-2, ..., or one .vqa file.")
]
Recipe = Annotated[Path | None, tyro.conf.arg(help="Also save the settings here, for `vqaudio replay`.")]
From = Annotated[ranges.Moment, tyro.conf.arg(name="from", help="Start of the gap, in seconds.")]
To = Annotated[ranges.Moment, tyro.conf.arg(help="End of the gap, in seconds.")]
Stages = Annotated[str | None, arg(help="Stages, such as 1-4,7; 2- is the second and all finer ones. Default: all.")]

Becomes = Annotated[
    tuple[str, ...],
    tyro.conf.arg(help="Labels for the gap alone, where they differ from the clip's.", metavar="KIND=VALUE"),
]
Bands = Annotated[str | None, arg(help="Bands within these stages, such as 1-2; 1 is the lowest. Default: all.")]


def generate(
    target: AudioOut, labels: Labels = (),
    seconds: Annotated[
        ranges.ClipSeconds | None, arg(help="Length. Default: that of a training clip with these labels.")
    ] = None,
    seed: Seed = None, variations: Variations = 1, prior: Prior = "masked", model: DigitsCodec = None,
    sampling: Settings = UNSET, recipe: Recipe = None, device: Device = "auto",
) -> None:
    """Generate a new sound from labels."""
    from vqaudio.replay import run

    model = chosen_model(model, DIGITS)
    asked = {"verb": "generate", "codec": model, "prior": prior, "labels": parse_labels(labels), "seconds": seconds}
    run({**asked, **_draws(seed, variations), "settings": asdict(sampling)}, None, target, recipe, device)


def inpaint(
    source: AudioIn, target: AudioOut, start: From, to: To, stages: Stages = None, bands: Bands = None, labels: Labels = (),
    becomes: Becomes = (), seed: Seed = None, variations: Variations = 1, prior: Prior = "masked", model: AnyModel = None,
    sampling: Settings = UNSET, recipe: Recipe = None, device: Device = "auto",
) -> None:
    """Regenerate part of a sound.

    --labels describes the whole clip and --becomes the gap alone. To turn part of a clarinet note into a flute, use
    --labels instrument=clarinet --becomes instrument=flute.
    """
    from vqaudio.cli.sound import _check_pair
    from vqaudio.masks import parse_bands
    from vqaudio.replay import run

    _check_pair(source, target)
    asked = {"verb": "inpaint", "codec": chosen_model(model), "prior": prior, "labels": parse_labels(labels)}
    mask = [{"start_s": start, "end_s": to, "stages": stages, "bands": bands and list(parse_bands(bands))}]
    if becomes:
        mask[0]["labels"] = parse_labels(becomes)
    run({**asked, "mask": mask, **_draws(seed, variations), "settings": asdict(sampling)}, source, target, recipe, device)


def fill(
    source: VqaIn, target: VqaOut,
    mask: Annotated[Path, tyro.conf.arg(help='JSON: [{"start_s": 0.1, "end_s": 0.2, "stages": "2-"}], or a matrix of 0 and 1.')],
    labels: Labels = (), seed: Seed = None, variations: Variations = 1, prior: Prior = "masked", model: FileModel = None,
    sampling: Settings = UNSET, recipe: Recipe = None, device: Device = "auto",
) -> None:
    """Regenerate the masked cells of a .vqa file."""
    from vqaudio.cli.sound import _check_pair
    from vqaudio.json_files import read_json
    from vqaudio.replay import run

    _check_pair(source, target)
    asked = {"verb": "fill", "codec": model or model_in(source), "prior": prior, "labels": parse_labels(labels)}
    asked |= {"mask": read_json(mask), **_draws(seed, variations)}
    run({**asked, "settings": asdict(sampling)}, source, target, recipe, device)


def replay(
    recipe: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="A recipe file.", metavar="RECIPE.json")],
    target: Annotated[Path | None, arg(help="Output file. Default: the one in the recipe.")] = None,
    source: Annotated[Path | None, tyro.conf.arg(help="Input file, if it has moved.")] = None,
    device: Device = "auto",
) -> None:
    """Repeat a saved recipe: same models, mask and seed, same codes."""
    from vqaudio.replay import replay as repeat

    print(repeat(recipe, source, target, device))


def score(
    source: AudioIn, prior: Prior = "masked", model: AnyModel = None, labels: Labels = (), device: Device = "auto",
    output: Annotated[Path | None, tyro.conf.arg(help="Also write -log2 p of each cell to this .csv file.")] = None,
) -> None:
    """Print how surprising a sound is to a prior, as -log2 p per cell."""
    from vqaudio import files
    from vqaudio.cli.sound import _codec, _read
    from vqaudio.replay import load_prior

    if not source.exists():
        raise InputError(f"There is no file {source}.")
    model = chosen_model(model)
    codec, chosen = _codec(model, device), load_prior(prior, model)
    chosen.check_codec(codec)
    chosen.check_likelihood()
    codes = codec.encode(_read(source, codec))
    bits = -chosen.to(codes.ids.device).log_prob(codes, parse_labels(labels))[0].cpu() / 0.6931471805599453
    print(f"{chosen.name} ({chosen.likelihood} likelihood): {float(bits.sum()):.1f} bits, {float(bits.mean()):.2f} per cell")
    for j in range(len(codes.spec.stages)):
        print(f"stage {j + 1}: {float(bits[codes.spec.rows_of(j)].mean()):.2f} bits per cell")
    if output:
        files.check_folder(output)
        lines = "\n".join(",".join(f"{value:.4f}" for value in row) for row in bits.tolist())
        files.replace_file(output, lambda path: path.write_text(lines + "\n"))


def evaluate_prior(
    model: Annotated[Prior, tyro.conf.arg(aliases=("--prior",))] = "masked",
    codec: Codec = "fsdd-8khz", dataset: Dataset = "fsdd", data: Data = None,
    split: Annotated[Literal["validation", "test"], tyro.conf.arg(help="Which part of the dataset to compare with.")] = "test",
    clips: Annotated[ranges.Count, tyro.conf.arg(help="Number of clips to generate.")] = 1000,
    seed: Annotated[ranges.Seed, tyro.conf.arg(help="Random seed.")] = 0,
    sampling: Settings = UNSET,
    hole_s: Annotated[
        ranges.Seconds | None, arg(help="Length of the gap to fill. Default: 30 % of the clip.")
    ] = None,
    beside: Annotated[tuple[str, ...], tyro.conf.arg(help="Other priors of this codec, to fill the same gaps.")] = (),
    of: Annotated[ranges.Count | None, arg(help="Use a random sample of this many clips. Default: all.")] = None,
    judges: Judges = None,
    save: Annotated[bool, tyro.conf.arg(help="Save the figures with the weights, for the model card.")] = False,
) -> None:
    """Score a prior: bits per code, generation, memorisation and inpainting."""
    import json

    from vqaudio import files, hub
    from vqaudio.evaluation.prior_card import evaluate, report
    from vqaudio.replay import load_prior

    prior = load_prior(model, codec)
    jury = [hub.load(name) for name in (JUDGES.get(dataset, ()) if judges is None else judges)]
    others = [load_prior(name, codec) for name in beside]
    found = evaluate(hub.load(codec), prior, jury, dataset, data, split, clips, hole_s, others, of, seed, sampling)
    found["command"] = recorded_command()
    print(report(found))
    if save:
        path = prior.folder / "metrics.json"
        files.replace_file(path, lambda temporary: temporary.write_text(json.dumps(found, indent=1) + "\n"))


def parse_labels(pairs: tuple[str, ...]) -> dict[str, str]:
    """Parse ("digit=7", "speaker=theo") into {"digit": "7", "speaker": "theo"}."""
    labels = {}
    for pair in pairs:
        kind, equals, value = pair.partition("=")
        if not equals or not kind or not value:
            raise InputError(f"{pair!r} is not a label. Write KIND=VALUE, such as digit=7.")
        labels[kind] = value
    return labels


def _draws(seed: int | None, variations: int) -> dict:
    """The recipe fields for the seed and the number of variations."""
    return {"seed": chosen_seed(seed)} | ({"variations": variations} if variations != 1 else {})
