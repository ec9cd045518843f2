"""The measurements of a model's codewords: how often they occur, and where."""

from functools import cache
from pathlib import Path

from torch import Tensor

import vqaudio.audio
from vqaudio.analysis import phone_record
from vqaudio.analysis.codebooks import CodebookStatistics, load_statistics
from vqaudio.analysis.exploration import Exploration
from vqaudio.analysis.exploration import load as load_exploration
from vqaudio.analysis.phone_record import PhoneRecord
from vqaudio.codec import Codec
from vqaudio.data import dataset_module
from vqaudio.errors import InputError

NO_DATASET = "The training clips are not on this machine. To play them, run `vqaudio download {dataset}`."
NOT_PLAYED = "The training clips may not be redistributed, so they are not played here."


@cache
def statistics(codec: Codec) -> CodebookStatistics | None:
    """The codebook statistics over the model's dataset; None if not measured."""
    return load_statistics(codec.folder) if codec.folder else None


@cache
def exploration(codec: Codec) -> Exploration | None:
    """The exploration of this encoder; None if there is none.

    Raises:
        InputError: the file is damaged.
    """
    known = load_exploration(codec.folder) if codec.folder else None
    return known if known is not None and known.encoder == codec.encoder_fingerprint else None


@cache
def phones(codec: Codec) -> PhoneRecord | None:
    """The record of this encoder's codes and phones.

    None if not measured, or for other weights.

    Raises:
        InputError: the file is damaged.
    """
    known = phone_record.load(codec.folder) if codec.folder else None
    return known if known is not None and known.encoder == codec.encoder_fingerprint else None


@cache
def code_phones(codec: Codec) -> list[tuple[str, float] | None] | None:
    """Each codeword's phone and the share of its frames.

    None if not measured, or for a codec of several stages.
    """
    try:
        known = phones(codec)
    except InputError:  # a damaged record must not stop a clip from opening
        return None
    return None if known is None or len(codec.spec.stages) != 1 else known.code_phones()


def known_of(codec: Codec) -> CodebookStatistics | None:
    """The statistics, if they have this codec's shape."""
    try:
        known = statistics(codec)
    except InputError:  # damaged ones must not stop a clip from opening
        return None
    vocabs = [stage.vocab for stage in codec.spec.stages]
    return known if known is not None and [known.train_counts.shape[1]] * len(known.train_counts) == vocabs else None


@cache  # one list for all clips, because Gradio keeps it for each session
def train_counts(codec: Codec) -> list[list[int]] | None:
    """Counts of each codeword in the training set, [stages][V]; None if not measured."""
    known = known_of(codec)
    return None if known is None else known.train_counts.tolist()


def examples(row: int, index: int, codec: Codec) -> list[dict]:
    """Training clips with a codeword of a row's stage: {clip, time_s, playable}."""
    known = known_of(codec)
    stage = sum(row >= offset for offset in codec.spec.offsets[1:])
    if known is None or not (stage < len(known.examples) and index < len(known.examples[stage])):
        return []
    pairs = known.examples[stage, index].tolist()
    found = [(known.clips[clip], column / codec.spec.frame_rate) for clip, column in pairs if clip >= 0]
    return [{"clip": clip, "time_s": time_s, "playable": _path(known.dataset, clip) is not None} for clip, time_s in found]


def example_sound(row: int, index: int, number: int, codec: Codec) -> Tensor:
    """The sound [N] of `examples(...)[number]`. Raises InputError without the dataset."""
    found = examples(row, index, codec)
    if number >= len(found):
        raise InputError("There is no such example.")
    path = _path(known_of(codec).dataset, found[number]["clip"])
    if path is None:
        raise InputError(missing(codec))
    return vqaudio.audio.load(path, codec.sample_rate)[0][0]


def missing(codec: Codec) -> str:
    """A sentence on what to do without the training clips."""
    dataset = known_of(codec).dataset
    return NO_DATASET.format(dataset=dataset) if _finder(dataset) else NOT_PLAYED


def _path(dataset: str, clip: str) -> Path | None:
    """The path of a training clip, if its dataset is here."""
    find = _finder(dataset)
    return find(clip) if find else None


def _finder(dataset: str):
    """The function that finds clips of a dataset; None if they may not be played."""
    return getattr(dataset_module(dataset), "find", None)
