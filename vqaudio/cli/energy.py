"""The `energy` command: what a model costs to use and to train."""

import json
from pathlib import Path
from typing import Annotated

import tyro

from vqaudio import ranges
from vqaudio.cli.options import arg
from vqaudio.cli.sound import Device
from vqaudio.errors import InputError
from vqaudio.json_files import read_json
from vqaudio.provenance import recorded_command

EXAMPLES = Path(__file__).resolve().parents[2] / "assets" / "examples"


def energy(
    model: Annotated[str, tyro.conf.arg(help="The codec: a name in weights/, a folder, or a Hub id.")] = "fsdd-8khz",
    priors: Annotated[tuple[str, ...] | None, arg(help="Its priors. Default: all in weights/.")] = None,
    source: Annotated[Path | None, arg(help="The sound to encode. Default: the example clips, joined.")] = None,
    repeats: Annotated[ranges.Repeats, tyro.conf.arg(help="Measurements of each operation, for the spread.")] = 5,
    stretch_s: Annotated[ranges.StretchSeconds, tyro.conf.arg(help="Seconds of work per measurement.")] = 2.0,
    clip_s: Annotated[ranges.ClipSeconds, tyro.conf.arg(help="Seconds of each generated clip.")] = 2.0,
    region: Annotated[
        str | None, arg(help="Country code for the CO2e, such as DEU. Default: $VQAUDIO_REGION, or the world mean.")
    ] = None,
    save: Annotated[bool, tyro.conf.arg(help="Save the figures as energy.json in the codec's folder.")] = False,
    device: Device = "auto",
) -> None:
    """Measure the energy per second of sound encoded, decoded and generated.

    Also prints the recorded energy of training. Every figure is marked as measured, estimated or absent.
    """
    from vqaudio import devices, files, hub
    from vqaudio.energy import verbs as use
    from vqaudio.energy.record import Meter

    place = devices.pick(device)
    codec = hub.load(model).to(place)
    names = priors_of(codec) if priors is None else priors
    chosen = [hub.load(name).to(place) for name in names]
    for prior in chosen:
        prior.check_codec(codec)
    meter = Meter(str(place), region)
    for remark in meter.remarks:
        print(remark)
    uses, spent = use.measure(codec, chosen, _sound(source, codec).to(place), meter, repeats, stretch_s, clip_s)
    trained = {one.name: use.training(hub.folder_of(one.name if one.folder is None else one.folder)) for one in (codec, *chosen)}
    settings = {"command": recorded_command(), "stretch_s": stretch_s, "clip_s": clip_s}
    found = use.record(uses, spent, trained, settings)
    print(use.report(found))
    if save:
        path = hub.folder_of(model) / "energy.json"
        files.replace_file(path, lambda temporary: temporary.write_text(json.dumps(found, indent=1) + "\n"))


def priors_of(codec) -> list[str]:
    """The names of the priors in weights/ that were trained for this codec."""
    from vqaudio import hub

    configs = ((name, read_json(hub.WEIGHTS / name / "config.json")) for name in hub.installed())
    return [name for name, config in configs if config.get("codec_fingerprint") == codec.encoder_fingerprint]


def _sound(source: Path | None, codec):
    """The sound to encode, [1, 1, N]."""
    import torch

    from vqaudio import audio

    files = [source] if source else sorted(EXAMPLES.glob("*.wav"))
    if not files:
        raise InputError("The example clips are missing. Name a sound with --source.")
    return torch.cat([audio.read(file, codec.sample_rate) for file in files], dim=-1)[None]
