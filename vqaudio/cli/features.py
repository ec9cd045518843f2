"""The commands of features."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from vqaudio import ranges

Kind = Annotated[Literal["mfcc39", "logmel", "waveform"], tyro.conf.arg(name="features", help="What is computed of the audio.")]


def stats(
    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(help="A dataset, such as speech, or shards.")],
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="The .json file to write.", metavar="OUT.json")],
    data: Annotated[Path | None, tyro.conf.arg(help="The folder of recordings; see `vqaudio train codec`.")] = None,
    kind: Kind = "mfcc39",
    sample_rate: Annotated[ranges.SampleRate, tyro.conf.arg(help="Hz.")] = 16_000,
) -> None:
    """Compute the mean and deviation of features over a training split, in one pass."""
    from vqaudio import features
    from vqaudio.data import load_split
    from vqaudio.files import check_folder
    from vqaudio.progress import bar

    check_folder(out)
    extractor = features.Features(kind, sample_rate)
    split = load_split(dataset.replace("-", "_"), "train", data, sample_rate)
    with bar("features", len(split), " clips") as progress:

        def clips():
            for clip in split.clips:
                yield clip.audio
                progress.update(1)

        found = features.statistics_of(clips(), extractor)
    features.save_statistics(out, found, extractor)
    print(f"{out}: {kind} of {len(split):,} clips, {found.frames:,} frames.")
