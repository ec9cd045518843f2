"""The commands that turn audio into codes and back."""

import os
from pathlib import Path
from typing import Annotated

import tyro

from vqaudio import ranges
from vqaudio.errors import InputError

Model = Annotated[str, tyro.conf.arg(help="A name in weights/, a folder, or a Hub id.")]
Device = Annotated[str, tyro.conf.arg(help="auto, cpu, cuda or mps; auto is $VQAUDIO_DEVICE if that is set.")]
Beam = Annotated[
    ranges.Beam, tyro.conf.arg(help="Paths kept in the search for codewords; 1 is greedy, 8 is slower and a little better.")
]
Which = Annotated[
    str | None,
    tyro.conf.arg(help="3 is the first three stages; 1-4,7 or 2-2 are those named, counted from 1. All by default."),
]
FirstStages = Annotated[ranges.Stages | None, tyro.conf.arg(help="Keep only so many stages, from the first. All by default.")]
AudioIn = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="Any audio file.", metavar="IN")]
AudioOut = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="A .wav or .flac file to write.", metavar="OUT")]
VqaIn = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="A .vqa file.", metavar="IN.vqa")]
VqaOut = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="The .vqa file to write.", metavar="OUT.vqa")]


def reconstruct(
    source: AudioIn, target: AudioOut, stages: Which = None, model: Model = "fsdd-8khz", device: Device = "auto", beam: Beam = 1
) -> None:
    """Encode audio and decode it again, to hear what the codec keeps."""
    from vqaudio import audio
    from vqaudio.masks import parse_stages

    _check_pair(source, target)
    audio.check_target(target)
    codec = _codec(model, device)
    codes = codec.encode(_read(source, codec), beam=beam)
    audio.save(target, codec.decode(codes, parse_stages(stages, len(codes.spec.stages)))[0], codec.sample_rate)


def encode(
    source: AudioIn, target: VqaOut, stages: FirstStages = None,
    model: Model = "fsdd-8khz", device: Device = "auto", beam: Beam = 1,
) -> None:
    """Write the codes of audio to a .vqa file."""
    from vqaudio.vqa import write_vqa

    _check_pair(source, target)
    if target.suffix.lower() != ".vqa":
        raise InputError(f"{target} should end in .vqa.")
    codec = _codec(model, device)
    codes = codec.encode(_read(source, codec), beam=beam)
    write_vqa(target, codes if stages is None else codes.first(stages), codec)


def decode(
    source: VqaIn, target: AudioOut, stages: Which = None, model: Model = "fsdd-8khz", device: Device = "auto"
) -> None:
    """Turn a .vqa file back into audio; a file of several clips gives OUT-1, OUT-2, ..."""
    from vqaudio import audio
    from vqaudio.files import numbered
    from vqaudio.masks import parse_stages
    from vqaudio.vqa import read_vqa

    _check_pair(source, target)
    audio.check_target(target)
    codec = _codec(model, device)
    codes = read_vqa(source, codec)
    chosen = parse_stages(stages, len(codes.spec.stages))
    targets = numbered(target, len(codes))
    audio.check_target(targets[-1])
    for b, path in enumerate(targets):
        audio.save(path, codec.decode(codes.clip(b), chosen)[0], codec.sample_rate)


def blur(
    source: AudioIn, target: AudioOut,
    radius: Annotated[
        ranges.BlurRadius, tyro.conf.arg(help="How far a cell's neighbours lie, in cells of time and bands: 0 to 16.")
    ] = 2.0,
    strength: Annotated[ranges.Share, tyro.conf.arg(help="Share of the cells that are redrawn, 0 to 1.")] = 1.0,
    start: Annotated[ranges.Moment, tyro.conf.arg(name="from", help="Seconds where the blur begins.")] = 0.0,
    to: Annotated[
        ranges.Moment | None, tyro.conf.arg(help="Seconds where it ends; by default the clip's end.")
    ] = None,
    stages: Annotated[str | None, tyro.conf.arg(help="Which stages: 2- is the second and finer. All by default.")] = None,
    seed: Annotated[ranges.Seed | None, tyro.conf.arg(help="Of all randomness; by default a new one, which is printed.")] = None,
    model: Model = "fsdd-8khz",
    recipe: Annotated[Path | None, tyro.conf.arg(help="Also write here how this came about, for `vqaudio replay`.")] = None,
    device: Device = "auto",
) -> None:
    """Redraw every cell of a sound's codes from the cells near it."""
    from vqaudio.replay import run

    _check_pair(source, target)
    asked = {"verb": "blur", "codec": model, "mask": [{"start_s": start, "end_s": to, "stages": stages}]}
    asked |= {"seed": chosen_seed(seed), "settings": {"radius": radius, "strength": strength}}
    run(asked, source, target, recipe, device)


def info(
    what: Annotated[str, tyro.conf.Positional, tyro.conf.arg(help="An audio file, a .vqa file, a folder of shards, or a model.")],
) -> None:
    """Say what an audio file, a .vqa file, a folder of shards or a model is."""
    from vqaudio import audio, hub, vqa
    from vqaudio.data.packing import SUMMARY, facts_of

    if Path(what).is_file():
        facts = _vqa_facts(vqa.read_header(what)) if vqa.is_vqa(what) else _audio_facts(audio.inspect(what))
    elif (Path(what) / SUMMARY).is_file():
        facts = facts_of(Path(what))
    elif Path(what).is_dir() or what in hub.installed():
        facts = _model_facts(hub.load(what))
    else:
        raise InputError(f"There is no file and no model {what!r}. Models known here: {', '.join(hub.installed()) or 'none'}.")
    print("\n".join(f"{name:<13} {value}" for name, value in facts.items()))


def _check_pair(source: Path, target: Path) -> None:
    from vqaudio.files import check_folder

    check_folder(target)
    if not source.exists():
        raise InputError(f"There is no file {source}.")
    if target.exists() and os.path.samefile(source, target):
        raise InputError(f"{target} is the input itself: choose another name for the output.")


def _codec(model: str, device: str):
    from vqaudio.codec import Codec
    from vqaudio.devices import pick
    from vqaudio.hub import load

    codec = load(model)
    if not isinstance(codec, Codec):
        raise InputError(f"The model {model!r} is not a codec.")
    return codec.to(pick(device))


def _read(path: Path, codec):
    """[1, 1, N] at the codec's rate."""
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


def _spec_facts(spec) -> dict:
    kinds = sorted({f"{stage.bands} x {stage.steps} of {stage.vocab} words" for stage in spec.stages})
    rate = f"{spec.bits_per_second:g} bit/s, {spec.frame_rate:g} columns a second"
    return {"stages": f"{len(spec.stages)} ({'; '.join(kinds)})", "rate": rate}


def chosen_seed(seed: int | None) -> int:
    """The seed that was asked for, or a new one."""
    import secrets

    if seed is None:
        seed = secrets.randbelow(2**31)
        print(f"seed {seed}")
    return seed
