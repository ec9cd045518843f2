"""Codec commands: reconstruct, encode, decode, convert, blur, smear, info."""

import os
from pathlib import Path
from typing import Annotated

import tyro

from vqaudio import ranges
from vqaudio.cli.options import arg
from vqaudio.errors import InputError

Model = Annotated[str, tyro.conf.arg(help="A name in weights/, a folder, or a Hub id.")]
DEFAULT_MODEL = "voice-16khz"
AnyModel = Annotated[str | None, arg(help=f"The codec: a name in weights/, a folder, or a Hub id. Default: {DEFAULT_MODEL}.")]
FileModel = Annotated[str | None, arg(help="The codec: a name in weights/, a folder, or a Hub id. Default: the one in IN.vqa.")]
Device = Annotated[str, tyro.conf.arg(help="auto, cpu, cuda or mps; auto uses $VQAUDIO_DEVICE if that is set.")]
Beam = Annotated[
    ranges.Beam, tyro.conf.arg(help="Beam width of the codeword search: 1 is greedy; 8 is slower and slightly better.")
]
Which = Annotated[
    str | None,
    arg(help="Stages to decode: 3 for the first three, or a list such as 1-4,7 or 2-2, counted from 1. Default: all."),
]
FirstStages = Annotated[
    ranges.Stages | None, arg(help="Keep only this many stages, counted from the first. Default: all.")
]
AudioIn = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="Any audio file.", metavar="IN")]
AudioOut = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="A .wav or .flac file to write.", metavar="OUT")]
VqaIn = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="A .vqa file.", metavar="IN.vqa")]
VqaOut = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="The .vqa file to write.", metavar="OUT.vqa")]


def reconstruct(
    source: AudioIn, target: AudioOut, stages: Which = None, model: AnyModel = None, device: Device = "auto", beam: Beam = 1
) -> None:
    """Encode and decode audio, to hear what the codec keeps."""
    from vqaudio import audio
    from vqaudio.masks import parse_stages

    _check_pair(source, target)
    audio.check_target(target)
    codec = _codec(chosen_model(model), device)
    codes = codec.encode(_read(source, codec), beam=beam)
    audio.save(target, codec.decode(codes, parse_stages(stages, len(codes.spec.stages)))[0], codec.sample_rate)


def encode(
    source: AudioIn, target: VqaOut, stages: FirstStages = None,
    model: AnyModel = None, device: Device = "auto", beam: Beam = 1,
) -> None:
    """Encode audio to a .vqa file."""
    from vqaudio.vqa import write_vqa

    _check_pair(source, target)
    if target.suffix.lower() != ".vqa":
        raise InputError(f"{target} should end in .vqa.")
    codec = _codec(chosen_model(model), device)
    codes = codec.encode(_read(source, codec), beam=beam)
    write_vqa(target, codes if stages is None else codes.first(stages), codec)


def decode(
    source: VqaIn, target: AudioOut, stages: Which = None, model: FileModel = None, device: Device = "auto"
) -> None:
    """Decode a .vqa file to audio.

    A file with several clips gives OUT-1, OUT-2, and so on.
    """
    from vqaudio import audio
    from vqaudio.files import numbered
    from vqaudio.masks import parse_stages
    from vqaudio.vqa import read_vqa

    _check_pair(source, target)
    audio.check_target(target)
    codec = _codec(model or model_in(source), device)
    codes = read_vqa(source, codec)
    chosen = parse_stages(stages, len(codes.spec.stages))
    targets = numbered(target, len(codes))
    audio.check_target(targets[-1])
    for b, path in enumerate(targets):
        audio.save(path, codec.decode(codes.clip(b), chosen)[0], codec.sample_rate)


def convert(
    source: AudioIn, target: AudioOut,
    speaker: Annotated[str, tyro.conf.arg(help="A speaker that the codec knows, such as vctk-p239.")],
    model: Model = "speech-16khz", device: Device = "auto",
) -> None:
    """Say a recording's sentence in the voice of another speaker."""
    from vqaudio import audio

    _check_pair(source, target)
    audio.check_target(target)
    codec = _codec(model, device)
    sound = codec.decode(codec.encode(_read(source, codec)), labels={"speaker": speaker})
    audio.save(target, sound[0], codec.sample_rate)


Strength = Annotated[ranges.Share, tyro.conf.arg(help="How much to change, 0 to 1.")]
From = Annotated[ranges.Moment, tyro.conf.arg(name="from", help="Start, in seconds.")]
To = Annotated[ranges.Moment | None, arg(help="End, in seconds. Default: the end of the clip.")]
Stages = Annotated[str | None, arg(help="Stages, such as 1-4,7; 2- is the second and all finer ones. Default: all.")]
Seed = Annotated[ranges.Seed | None, arg(help="Random seed. Default: a new one, which is printed.")]
Recipe = Annotated[Path | None, tyro.conf.arg(help="Also save the settings here, for `vqaudio replay`.")]


def blur(
    source: AudioIn, target: AudioOut,
    prior: Annotated[
        str | None, arg(help="masked, naive-bayes, or a prior's name, folder or Hub id. Default: none, as `vqaudio smear`.")
    ] = None,
    radius: Annotated[ranges.BlurRadius, tyro.conf.arg(help="Columns on either side that count as neighbours: 0 to 16.")] = 2.0,
    strength: Strength = 1.0, start: From = 0.0, to: To = None, stages: Stages = None, seed: Seed = None,
    model: AnyModel = None, recipe: Recipe = None, device: Device = "auto",
) -> None:
    """Blur a sound's codes: redraw each cell from its neighbours by a prior."""
    asked = {"verb": "blur"} | ({} if prior is None else {"prior": prior})
    _run_on_cells(asked, source, target, start, to, stages, seed, model, {"radius": radius, "strength": strength}, recipe, device)


def smear(
    source: AudioIn, target: AudioOut,
    radius: Annotated[
        ranges.BlurRadius, tyro.conf.arg(help="How far away neighbours may be, in cells of time and bands: 0 to 16.")
    ] = 2.0,
    strength: Strength = 1.0, start: From = 0.0, to: To = None, stages: Stages = None, seed: Seed = None,
    model: AnyModel = None, recipe: Recipe = None, device: Device = "auto",
) -> None:
    """Smear a sound's codes: replace each cell with one of its neighbours."""
    settings = {"radius": radius, "strength": strength}
    _run_on_cells({"verb": "smear"}, source, target, start, to, stages, seed, model, settings, recipe, device)


def _run_on_cells(asked, source, target, start, to, stages, seed, model, settings, recipe, device) -> None:
    """Run a recipe on a span of time and stages."""
    from vqaudio.replay import run

    _check_pair(source, target)
    asked |= {"codec": chosen_model(model), "mask": [{"start_s": start, "end_s": to, "stages": stages}]}
    run(asked | {"seed": chosen_seed(seed), "settings": settings}, source, target, recipe, device)


def info(
    what: Annotated[str, tyro.conf.Positional, tyro.conf.arg(help="An audio file, a .vqa file, a folder of shards, or a model.")],
    layers: Annotated[bool, tyro.conf.arg(help="Also list a codec's layers, with output shapes for one second.")] = False,
) -> None:
    """Describe an audio file, a .vqa file, a folder of shards or a model."""
    from vqaudio import audio, hub, vqa
    from vqaudio.data.packing import SUMMARY, facts_of

    if Path(what).is_file():
        facts = _vqa_facts(vqa.read_header(what)) if vqa.is_vqa(what) else _audio_facts(audio.inspect(what))
    elif (Path(what) / SUMMARY).is_file():
        facts = facts_of(Path(what))
    elif Path(what).is_dir() or what in hub.installed():
        model = hub.load(what)
        facts = _model_facts(model) | (_layer_facts(model) if layers else {})
    else:
        raise InputError(f"There is no file or model {what!r}. Installed models: {', '.join(hub.installed()) or 'none'}.")
    print("\n".join(f"{name:<13} {value}" for name, value in facts.items()))


def _check_pair(source: Path, target: Path) -> None:
    from vqaudio.files import check_folder

    check_folder(target)
    if not source.exists():
        raise InputError(f"There is no file {source}.")
    if target.exists() and os.path.samefile(source, target):
        raise InputError(f"The output {target} is also the input. Choose another name.")


def chosen_model(model: str | None, default: str = DEFAULT_MODEL) -> str:
    """The model, or the default, which is printed with its sample rate."""
    import sys

    from vqaudio import hub
    from vqaudio.json_files import read_json

    if model is not None:
        return model
    rate = read_json(hub.folder_of(default) / "config.json").get("sample_rate", 0)
    print(f"Using {default} at {rate:,} Hz. Choose another codec with --model.", file=sys.stderr)
    return default


def model_in(path: Path) -> str:
    """The name of the model that a .vqa file was made with."""
    from vqaudio.vqa import read_header

    return read_header(path).model


def _codec(model: str, device: str):
    from vqaudio.codec import Codec
    from vqaudio.devices import pick
    from vqaudio.hub import load

    codec = load(model)
    if not isinstance(codec, Codec):
        raise InputError(f"The model {model!r} is not a codec.")
    return codec.to(pick(device))


def _read(path: Path, codec):
    """Read a file at the codec's sample rate, [1, 1, N]."""
    from vqaudio import audio

    return audio.read(path, codec.sample_rate)[None]


def _audio_facts(report) -> dict:
    peak = f"{report.peak:.3f} of full scale, {100 * report.clipped_share:.2g} % of samples clipped"
    rate = f"{report.sample_rate_hz} Hz"
    length = f"{report.duration_s:.3f} s"
    facts = {"kind": "audio", "sample rate": rate, "channels": report.channels, "length": length, "peak": peak}
    problems = [*report.damage, *report.remedies]
    return facts | ({"problems": " ".join(problems)} if problems else {})


def _vqa_facts(header) -> dict:
    levels = "not stored" if header.level_db is None else ", ".join(f"{level:.1f} dB" for level in header.level_db[:8])
    return {
        "kind": f"codes (.vqa version {header.version})",
        "model": f"{header.model} {header.fingerprint}",
        "clips": len(header.lengths),
        "length": f"{header.duration_s:.3f} s at {header.sample_rate_hz} Hz",
        "columns": ", ".join(map(str, header.columns[:8])) + (", ..." if len(header.columns) > 8 else ""),
        "level": levels,
        **_spec_facts(header.spec),
    }


def _model_facts(model) -> dict:
    facts = {"kind": f"model ({model.config.module})", "name": model.name, "fingerprint": model.fingerprint}
    facts["parameters"] = f"{sum(p.numel() for p in model.parameters()):,}"
    if hasattr(model, "spec"):
        facts |= {"sample rate": f"{model.sample_rate} Hz", **_spec_facts(model.spec)}
    return facts


def _layer_facts(model) -> dict:
    """For each layer of a codec that runs on one second of noise: its kind, output shape and number of parameters."""
    import torch

    if not hasattr(model, "encode"):
        raise InputError(f"Only a codec's layers can be listed; {model.name} is none. Leave --layers out.")
    found: dict[str, str] = {}

    def see(name: str):
        def hook(module, _, output) -> None:
            shape = " x ".join(map(str, output.shape)) if isinstance(output, torch.Tensor) else "-"
            size = sum(p.numel() for p in module.parameters())
            found[name] = f"{type(module).__name__:<16} {shape:<18} {size:>10,}"

        return hook

    leaves = [(name, module) for name, module in model.named_modules() if name and not any(module.children())]
    handles = [module.register_forward_hook(see(name)) for name, module in leaves]
    generator = torch.Generator().manual_seed(0)
    model.decode(model.encode(0.1 * torch.randn(1, 1, model.sample_rate, generator=generator)))
    for handle in handles:
        handle.remove()
    return {f"  {name}": line for name, line in found.items()}


def _spec_facts(spec) -> dict:
    kinds = sorted({f"{stage.bands} x {stage.steps} of {stage.vocab} codewords" for stage in spec.stages})
    rate = f"{spec.bits_per_second:g} bit/s, {spec.frame_rate:g} columns per second"
    return {"stages": f"{len(spec.stages)} ({'; '.join(kinds)})", "rate": rate}


def chosen_seed(seed: int | None) -> int:
    """Return the seed, or choose a new one and print it."""
    import secrets

    if seed is None:
        seed = secrets.randbelow(2**31)
        print(f"seed {seed}")
    return seed
