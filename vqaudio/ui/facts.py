"""What is known of a model's codewords: how alike they are, how often they fire in the training set, and where."""

from functools import cache
from pathlib import Path

from torch import Tensor

import vqaudio.audio
from vqaudio.analysis.codebooks import CodebookStatistics, load_statistics
from vqaudio.analysis.exploration import Exploration
from vqaudio.analysis.exploration import load as load_exploration
from vqaudio.codec import Codec
from vqaudio.data import dataset_module
from vqaudio.errors import InputError

NO_DATASET = "The training clips are not on this machine. To hear them, get the dataset: run `vqaudio download {dataset}`."
NOT_PLAYED = "The training clips are not to be passed on, so they are not played here."


@cache
def statistics(codec: Codec) -> CodebookStatistics | None:
    """What was counted over the model's dataset, or None where it was not."""
    return load_statistics(codec.folder) if codec.folder else None


@cache
def exploration(codec: Codec) -> Exploration | None:
    """What was found out about this very encoder; None where nothing was. Raises InputError where the file is damaged."""
    known = load_exploration(codec.folder) if codec.folder else None
    return known if known is not None and known.encoder == codec.encoder_fingerprint else None


def known_of(codec: Codec) -> CodebookStatistics | None:
    """The statistics, if they are there and have this codec's shape. Damaged ones must not keep a clip from opening."""
    try:
        known = statistics(codec)
    except InputError:
        return None
    vocabs = [stage.vocab for stage in codec.spec.stages]
    return known if known is not None and [known.train_counts.shape[1]] * len(known.train_counts) == vocabs else None


@cache  # one list for all clips, because Gradio keeps it for each session
def train_counts(codec: Codec) -> list[list[int]] | None:
    """[stages][V] how often each codeword fires in the training set; None: not measured."""
    known = known_of(codec)
    return None if known is None else known.train_counts.tolist()


def examples(row: int, index: int, codec: Codec) -> list[dict]:
    """Training clips in which a codeword of a row's stage fires: {clip, time_s, playable}."""
    known = known_of(codec)
    stage = sum(row >= offset for offset in codec.spec.offsets[1:])
    if known is None or not (stage < len(known.examples) and index < len(known.examples[stage])):
        return []
    pairs = known.examples[stage, index].tolist()
    found = [(known.clips[clip], column / codec.spec.frame_rate) for clip, column in pairs if clip >= 0]
    return [{"clip": clip, "time_s": time_s, "playable": _path(known.dataset, clip) is not None} for clip, time_s in found]


def example_sound(row: int, index: int, number: int, codec: Codec) -> Tensor:
    """The training clip [N] of `examples(...)[number]`. Raises InputError where the dataset is not here."""
    found = examples(row, index, codec)
    if number >= len(found):
        raise InputError("There is no such example.")
    path = _path(known_of(codec).dataset, found[number]["clip"])
    if path is None:
        raise InputError(missing(codec))
    return vqaudio.audio.load(path, codec.sample_rate)[0][0]


def missing(codec: Codec) -> str:
    """What to do where the training clips are not on this machine."""
    dataset = known_of(codec).dataset
    return NO_DATASET.format(dataset=dataset) if _finder(dataset) else NOT_PLAYED


def _path(dataset: str, clip: str) -> Path | None:
    """Where a training clip lies, if its dataset is here and can tell."""
    find = _finder(dataset)
    return find(clip) if find else None


def _finder(dataset: str):
    """What finds a clip of a dataset; None for one whose clips are not to be played."""
    return getattr(dataset_module(dataset), "find", None)
