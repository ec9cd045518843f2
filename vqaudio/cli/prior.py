"""The commands of priors: generate, inpaint, fill, score, replay, and their evaluation."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import tyro

from vqaudio import ranges
from vqaudio.cli.measure import JUDGES, Data, Dataset, Judges
from vqaudio.cli.sound import AudioIn, AudioOut, Device, VqaIn, VqaOut, chosen_seed
from vqaudio.errors import InputError
from vqaudio.provenance import recorded_command
from vqaudio.sampling import UNSET, Sampling

Codec = Annotated[str, tyro.conf.arg(help="The codec: a name in weights/, a folder, or a Hub id.")]
Prior = Annotated[str, tyro.conf.arg(help="masked, autoregressive, naive-bayes, or a prior's name, folder or Hub id.")]
Labels = Annotated[tuple[str, ...], tyro.conf.arg(help="What it should be, such as digit=7 speaker=theo.", metavar="KIND=VALUE")]
Seed = Annotated[ranges.Seed | None, tyro.conf.arg(help="Of all randomness; by default a new one, which is printed.")]
Settings = Annotated[Sampling, tyro.conf.arg(name="")]  # its fields are options: --temperature, --top-k, ...
Variations = Annotated[
    ranges.Variations, tyro.conf.arg(help="How many: with this seed and the next ones, into OUT-1, OUT-2, ..., or one .vqa file.")
]
Recipe = Annotated[Path | None, tyro.conf.arg(help="Also write here how this came about; `vqaudio replay` repeats it.")]
From = Annotated[ranges.Moment, tyro.conf.arg(name="from", help="Seconds where the hole begins.")]
To = Annotated[ranges.Moment, tyro.conf.arg(help="Seconds where it ends.")]
Stages = Annotated[str | None, tyro.conf.arg(help="Which stages: 2- is the second and finer; 1-4,7 those named. All by default.")]


Becomes = Annotated[
    tuple[str, ...],
    tyro.conf.arg(help="What the hole alone is to become, where --labels says what the clip is.", metavar="KIND=VALUE"),
]
Bands = Annotated[str | None, tyro.conf.arg(help="Which bands of each of these stages, the lowest being 1: 1-2. All by default.")]


def generate(
    target: AudioOut, labels: Labels = (),
    seconds: Annotated[
        ranges.ClipSeconds | None, tyro.conf.arg(help="Length; by default that of a training clip with these labels.")
    ] = None,
    seed: Seed = None, variations: Variations = 1, prior: Prior = "masked", model: Codec = "fsdd-8khz",
    sampling: Settings = UNSET, recipe: Recipe = None, device: Device = "auto",
) -> None:
    """Make a new sound from labels."""
    from vqaudio.replay import run

    asked = {"verb": "generate", "codec": model, "prior": prior, "labels": parse_labels(labels), "seconds": seconds}
    run({**asked, **_draws(seed, variations), "settings": asdict(sampling)}, None, target, recipe, device)


def inpaint(
    source: AudioIn, target: AudioOut, start: From, to: To, stages: Stages = None, bands: Bands = None, labels: Labels = (),
    becomes: Becomes = (), seed: Seed = None, variations: Variations = 1, prior: Prior = "masked", model: Codec = "fsdd-8khz",
    sampling: Settings = UNSET, recipe: Recipe = None, device: Device = "auto",
) -> None:
    """Write a part of a sound anew.

    --labels are told of the whole clip, the kept part too; --becomes of the hole only: a clarinet's note of which a part is to
    become a flute's is --labels instrument=clarinet --becomes instrument=flute.
    """
    from vqaudio.cli.sound import _check_pair
    from vqaudio.masks import parse_bands
    from vqaudio.replay import run

    _check_pair(source, target)
    asked = {"verb": "inpaint", "codec": model, "prior": prior, "labels": parse_labels(labels)}
    mask = [{"start_s": start, "end_s": to, "stages": stages, "bands": bands and list(parse_bands(bands))}]
    if becomes:
        mask[0]["labels"] = parse_labels(becomes)
    run({**asked, "mask": mask, **_draws(seed, variations), "settings": asdict(sampling)}, source, target, recipe, device)


def fill(
    source: VqaIn, target: VqaOut,
    mask: Annotated[Path, tyro.conf.arg(help='JSON: [{"start_s": 0.1, "end_s": 0.2, "stages": "2-"}], or a matrix of 0 and 1.')],
    labels: Labels = (), seed: Seed = None, variations: Variations = 1, prior: Prior = "masked", model: Codec = "fsdd-8khz",
    sampling: Settings = UNSET, recipe: Recipe = None, device: Device = "auto",
) -> None:
    """Write the masked cells of a .vqa file anew."""
    from vqaudio.cli.sound import _check_pair
    from vqaudio.json_files import read_json
    from vqaudio.replay import run

    _check_pair(source, target)
    asked = {"verb": "fill", "codec": model, "prior": prior, "labels": parse_labels(labels)}
    asked |= {"mask": read_json(mask), **_draws(seed, variations)}
    run({**asked, "settings": asdict(sampling)}, source, target, recipe, device)


def replay(
    recipe: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="A recipe file.", metavar="RECIPE.json")],
    target: Annotated[Path | None, tyro.conf.arg(help="Where to write; by default the recipe's own output.")] = None,
    source: Annotated[Path | None, tyro.conf.arg(help="The input, if it is no longer where it was.")] = None,
    device: Device = "auto",
) -> None:
    """Do again what a recipe file says: the same models, mask and seed give the same ids."""
    from vqaudio.replay import replay as again

    print(again(recipe, source, target, device))


def score(
    source: AudioIn, prior: Prior = "masked", model: Codec = "fsdd-8khz", labels: Labels = (), device: Device = "auto",
    output: Annotated[Path | None, tyro.conf.arg(help="Also write -log2 p of every cell to this .csv file.")] = None,
) -> None:
    """Say how surprising a sound is to a prior: -log2 p per cell, and in all."""
    from vqaudio import files
    from vqaudio.cli.sound import _codec, _read
    from vqaudio.replay import load_prior

    if not source.exists():
        raise InputError(f"There is no file {source}.")
    codec, chosen = _codec(model, device), load_prior(prior, model)
    chosen.check_codec(codec)
    chosen.check_likelihood()
    codes = codec.encode(_read(source, codec))
    bits = -chosen.to(codes.ids.device).log_prob(codes, parse_labels(labels))[0].cpu() / 0.6931471805599453
    print(f"{chosen.name} ({chosen.likelihood} likelihood): {float(bits.sum()):.1f} bits, {float(bits.mean()):.2f} a cell")
    for j in range(len(codes.spec.stages)):
        print(f"stage {j + 1}: {float(bits[codes.spec.rows_of(j)].mean()):.2f} bits a cell")
    if output:
        files.check_folder(output)
        lines = "\n".join(",".join(f"{value:.4f}" for value in row) for row in bits.tolist())
        files.replace_file(output, lambda path: path.write_text(lines + "\n"))


def evaluate_prior(
    model: Prior = "masked", codec: Codec = "fsdd-8khz", dataset: Dataset = "fsdd", data: Data = None,
    split: Annotated[Literal["validation", "test"], tyro.conf.arg(help="Which part of the dataset to compare with.")] = "test",
    clips: Annotated[ranges.Count, tyro.conf.arg(help="How many new clips to judge.")] = 1000,
    seed: Annotated[ranges.Seed, tyro.conf.arg(help="Of all randomness.")] = 0,
    sampling: Settings = UNSET,
    hole_s: Annotated[
        ranges.Seconds | None, tyro.conf.arg(help="Seconds of the hole to fill; by default 30 % of the clip.")
    ] = None,
    beside: Annotated[tuple[str, ...], tyro.conf.arg(help="Other priors of this codec, to fill the same holes.")] = (),
    of: Annotated[ranges.Count | None, tyro.conf.arg(help="So many clips of the part, drawn at random; by default all.")] = None,
    judges: Judges = None,
    save: Annotated[bool, tyro.conf.arg(help="Keep the numbers beside the weights, for the model card.")] = False,
) -> None:
    """Bits per code, judged and compared new clips, memorisation, and inpainting beside plain baselines."""
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
    """("digit=7", "speaker=theo") -> {"digit": "7", "speaker": "theo"}."""
    labels = {}
    for pair in pairs:
        kind, equals, value = pair.partition("=")
        if not equals or not kind or not value:
            raise InputError(f"Labels are written KIND=VALUE, such as digit=7; not {pair!r}.")
        labels[kind] = value
    return labels


def _draws(seed: int | None, variations: int) -> dict:
    """What a recipe says of how often it draws, and from which seed on."""
    return {"seed": chosen_seed(seed)} | ({"variations": variations} if variations != 1 else {})
