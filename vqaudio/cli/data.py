"""Dataset commands: download, prepare, tokenize."""

import os
from pathlib import Path
from typing import Annotated, Literal

import tyro

from vqaudio import ranges
from vqaudio.cli.options import arg
from vqaudio.cli.sound import Device, FirstStages, Model

Dataset = Literal["folder", "fsdd", "speech-commands", "voice", "nsynth", "philharmonia", "speech", "vctk", "festvox-ru"]
Out = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="The folder of shards: new, or one to continue.")]
Processes = Annotated[
    ranges.Processes | None, arg(help="Number of parallel processes. Default: one per processor.")
]
Ray = Annotated[bool, tyro.conf.arg(help="Run on a Ray cluster: RAY_ADDRESS, or else this machine.")]
PerShard = Annotated[ranges.Count, tyro.conf.arg(help="Recordings per shard.")]


def download(
    dataset: Annotated[Literal["fsdd", "speech-commands", "nsynth", "mnist", "asterisk", "festvox-ru"], tyro.conf.Positional],
    version: Annotated[
        str | None, tyro.conf.arg(help="Speech Commands only: 0.02 (2.4 GB, the default) or 0.01 (1.5 GB).")
    ] = None,
    part: Annotated[
        Literal["train", "validation", "test"] | None,
        tyro.conf.arg(help="NSynth only: test (0.35 GB, the default), validation (1 GB) or train (22 GB)."),
    ] = None,
) -> None:
    """Download a public dataset, verify it and keep it in the cache."""
    from vqaudio.data.datasets import asterisk, festvox_ru, fsdd, mnist, nsynth, speech_commands
    from vqaudio.errors import InputError

    if version and dataset != "speech-commands":
        raise InputError(f"{dataset.upper()} has only one version. Omit --version.")
    if part and dataset != "nsynth":
        raise InputError("Only NSynth comes in parts. Omit --part.")
    if dataset == "speech-commands":
        print(speech_commands.download(version=version or "0.02"))
    elif dataset == "nsynth":
        print(nsynth.download(part=part or "test"))
    else:
        print({"fsdd": fsdd, "mnist": mnist, "asterisk": asterisk, "festvox-ru": festvox_ru}[dataset].download())


def prepare(
    dataset: Annotated[Dataset, tyro.conf.Positional, tyro.conf.arg(help="The folder layout; 'folder' accepts any.")],
    out: Out,
    data: Annotated[Path | None, tyro.conf.arg(help="The folder of recordings; see `vqaudio train codec --help`.")] = None,
    sample_rate: Annotated[ranges.SampleRate, tyro.conf.arg(help="In Hz: the rate of the codec you will train.")] = 16_000,
    per_shard: PerShard = 1000, processes: Processes = None, ray: Ray = False,
    features: Annotated[
        Literal["mfcc39", "logmel"] | None, tyro.conf.arg(help="Also pack these features, a frame every 10 ms.")
    ] = None,
) -> None:
    """Decode, resample and pack recordings into shards for training.

    Train on them with `--dataset shards --data OUT`.
    """
    from vqaudio.data import shards

    workers = _workers(processes)
    done = shards.prepare(dataset.replace("-", "_"), out, data, sample_rate, per_shard, workers, ray, features)
    _report(out, done, "packed")


def tokenize(
    data: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="The folder of recordings.", metavar="DIR")],
    out: Out,
    model: Model = "fsdd-8khz",
    stages: FirstStages = None,
    dataset: Annotated[Dataset, tyro.conf.arg(help="The folder layout; 'folder' accepts any.")] = "folder",
    per_shard: PerShard = 1000,
    batch_s: Annotated[ranges.Seconds, tyro.conf.arg(help="Seconds of audio per batch, padding included.")] = 40.0,
    processes: Processes = None, ray: Ray = False, device: Device = "cpu",
) -> None:
    """Encode a whole corpus into Parquet shards of codes.

    Under torchrun, the processes share the work.
    """
    from vqaudio.data import tokens
    from vqaudio.replay import load_codec

    codec = load_codec(model, device)
    done = tokens.tokenize(
        codec, model, out, data, dataset.replace("-", "_"), stages, per_shard, batch_s, str(next(codec.parameters()).device),
        _workers(processes), ray,
    )
    _report(out, done, "encoded")


def _workers(processes: int | None) -> int:
    return processes or (1 if "RANK" in os.environ else os.cpu_count() or 1)


def _report(out: Path, done, verb: str) -> None:
    """Print what this process did, and whether the folder is complete."""
    from vqaudio.data.packing import SKIPPED, SUMMARY

    hours = f"{done.audio_s / 3600:.2f} hours of audio"
    speed = f", {done.audio_s / done.cpu_s:.0f} times real time per core" if done.cpu_s else ""
    skipped = f"; {done.skipped:,} could not be read ({out / SKIPPED})" if done.skipped else ""
    rest = "" if (out / SUMMARY).exists() else "; waiting for other processes"
    print(f"{out}: {verb} {done.recordings - done.skipped:,} recordings, {hours}{speed}{skipped}{rest}")
