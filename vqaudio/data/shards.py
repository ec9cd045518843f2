"""Train from shards: a dataset decoded and resampled by `vqaudio prepare`.

A row of a shard is a clip: its name, its samples as FLAC (16 bit), their number, its timed labels and its labels. A chunk is a
row group, the unit of reading. Training shuffles the chunks, and the clips within WINDOW neighbouring chunks, so that memory
holds that many chunks (about 64 MB) for any number of clips, and the batch of a step is still a function of the step.
(This is for codecs and judges: training a prior holds the codes of all clips, and their samples while they are encoded.)
"""

import io
import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

from vqaudio.audio import to_int16
from vqaudio.data import dataset_module
from vqaudio.data.batches import TrainingBatches, at_level
from vqaudio.data.clips import Clip, Split, check_rate
from vqaudio.data.packing import (
    TIMED,
    Packer,
    PackingTotals,
    arrow,
    pack,
    pack_timed_labels,
    plan,
    summary,
    unpack_timed_labels,
)
from vqaudio.data.seeds import torch_generator
from vqaudio.data.sources import PARTS, UNREADABLE, Source
from vqaudio.errors import InputError
from vqaudio.features import Features, check_settings, settings_of

WINDOW = 16  # chunks whose clips are shuffled together
VALIDATION_CLIPS = 500  # at the most: the order is random, so the first ones represent all
KIND = "audio"
FEATURES = "features"  # column of a clip's features [T, dim], float32 in little-endian order


def prepare(
    dataset: str, out: Path, data: Path | None, sample_rate: int, per_shard: int = 1000, processes: int = 1, ray: bool = False,
    features: str | None = None,
) -> PackingTotals:
    """Pack a dataset's recordings into shards in `out`, or continue a started folder.

    Args:
        dataset: a module of vqaudio.data that lists its files (`sources`) and reads them (`clips_of`).
        out: the folder of shards.
        data: the dataset's folder.
        sample_rate: Hz.
        per_shard: recordings per shard.
        processes, ray: see `packing.pack`.
        features: also pack these features of each clip, "mfcc39" or "logmel"; see `features.Features`.

    Raises:
        InputError: there is no such dataset, the features need another rate, or those of `packing.plan` and `packing.pack`.
    """
    module = with_files(dataset)
    settings = {
        "kind": KIND, "dataset": dataset, "data": str(data and Path(data).resolve()), "sample rate": sample_rate,
        "number of recordings a shard": per_shard,
    }
    if features:
        Features(features, sample_rate)
        settings["kind of features"] = features
    arrow()
    plan(out, lambda: module.sources(data), settings)
    return pack(AudioPacker(out, per_shard, dataset, sample_rate, features), "packing", processes, ray)


def with_files(dataset: str):
    """Import a dataset whose recordings are files. Raises InputError if they are not."""
    module = dataset_module(dataset)
    if not hasattr(module, "clips_of"):
        raise InputError(f"{dataset!r} cannot be read file by file: choose folder, fsdd or speech_commands.")
    return module


@dataclass(frozen=True)
class DatasetPacker(Packer):
    """Base of the packers for datasets whose recordings are files."""

    dataset: str

    def labels(self) -> dict[str, tuple[str, ...]]:
        """The kinds in the module's CLASSES; all kinds if it has none."""
        classes = getattr(with_files(self.dataset), "CLASSES", self.index.labels)
        return {kind: values for kind, values in self.index.labels.items() if kind in classes}


@dataclass(frozen=True)
class AudioPacker(DatasetPacker):
    """Packs decoded and resampled clips."""

    sample_rate: int
    features: str | None = None
    """Kind of features that are packed beside the samples, if any."""

    def facts(self) -> dict:
        facts = {"kind": KIND, "sample_rate": self.sample_rate, "dataset": self.dataset}
        return facts | ({"features": settings_of(self.extractor)} if self.features else {})

    @cached_property
    def extractor(self) -> Features:
        return Features(self.features, self.sample_rate)

    def columns(self) -> list[tuple]:
        pa, _ = arrow()
        columns = [("name", pa.string()), ("audio", pa.binary()), ("samples", pa.int32()), (TIMED, pa.string())]
        return columns + ([(FEATURES, pa.binary())] if self.features else [])

    def rows(self, sources: list[Source], bad: list[tuple[str, str]]) -> Iterator[tuple[dict, Source, float]]:
        module = with_files(self.dataset)
        for source in sources:
            try:
                clips = module.clips_of(source, self.sample_rate)
            except UNREADABLE as error:
                bad.append((source.name, str(error)))
                continue
            for clip in clips:
                row = {"name": clip.name, "audio": to_flac(clip.audio, self.sample_rate), "samples": len(clip.audio)}
                row[TIMED] = pack_timed_labels(clip.timed_labels)
                if self.features:
                    row[FEATURES] = self.extractor.of_clip(clip.audio).T.contiguous().numpy().astype("<f4").tobytes()
                yield row, source, len(clip.audio) / self.sample_rate


def to_flac(audio: Tensor, sample_rate: int) -> bytes:
    """Encode audio [N] in [-1, 1] as a 16-bit FLAC file."""
    file = io.BytesIO()
    soundfile.write(file, to_int16(audio), sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def load_split(split: str, root: str | os.PathLike | None = None, sample_rate: int | None = None) -> Split:
    """Open a part of a folder of shards.

    "train" and "test" stay on disk; of "validation", the first clips are read into memory.

    Args:
        root: the folder.
        sample_rate: Hz, must match the shards; None for any.

    Raises:
        InputError: those of `packing.summary`, another rate, or an unknown or empty split.
    """
    if split not in PARTS:
        raise InputError(f"Shards have the splits {', '.join(PARTS)}; not {split!r}.")
    if root is None:
        raise InputError("Name the folder of shards with --data.")
    metadata = summary(Path(root))
    if metadata.get("kind") != KIND:
        raise InputError(f"{root} holds shards of {metadata.get('kind')}, and not of audio: `vqaudio prepare` makes those.")
    check_rate(f"The folder of shards {root}", metadata["sample_rate"], sample_rate or metadata["sample_rate"])
    files = [(Path(root) / shard["file"], tuple(shard["groups"])) for shard in metadata["parts"][split]]
    seconds = sum(shard["audio_s"] for shard in metadata["parts"][split])
    clips = Clips(files, metadata["columns"], seconds, metadata.get(FEATURES))
    if not len(clips):
        raise InputError(f"The shards in {root} hold no clip for {split}.")
    labels = {kind: tuple(values) for kind, values in metadata["labels"].items()}
    if split == "validation":
        clips = tuple(clips[i] for i in range(min(len(clips), VALIDATION_CLIPS)))
    return Split(clips, metadata["sample_rate"], labels, packed_from=metadata.get("dataset"))


class Clips(Sequence):
    """The clips of a part in shard order; recently used chunks stay in memory.

    Args:
        files: (path, clips in each of its chunks).
        columns: for each kind of label, its column.
        seconds: of audio.
        feature_settings: of the features in the shards; None if there are none.
    """

    def __init__(
        self, files: list[tuple[Path, tuple[int, ...]]], columns: dict[str, str], seconds: float = 0.0,
        feature_settings: dict | None = None,
    ):
        self.columns, self.seconds, self.feature_settings = columns, seconds, feature_settings
        self.chunks = [(path, group) for path, groups in files for group in range(len(groups))]
        self.sizes = [size for _, groups in files for size in groups]
        self.ends = list(accumulate(self.sizes))
        self._kept: OrderedDict[int, list[dict]] = OrderedDict()

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def __getitem__(self, i: int) -> Clip:
        """Decode a clip. Raises InputError if the shard is damaged."""
        path, row = self._row(i)
        try:
            sound, _ = soundfile.read(io.BytesIO(row["audio"]), dtype="float32")
        except soundfile.LibsndfileError as error:
            raise InputError(f"{path} is damaged: {row['name']} in it cannot be read ({error.error_string}).") from None
        if len(sound) != row["samples"]:
            raise InputError(f"{path} is damaged: {row['name']} has {len(sound):,} of {row['samples']:,} samples.")
        return replace(self.metadata(i), audio=torch.from_numpy(sound))

    def metadata(self, i: int) -> Clip:
        """Return the clip without its samples."""
        path, row = self._row(i)
        labels = {kind: row[column] for kind, column in self.columns.items() if row[column] is not None}
        return Clip(torch.zeros(0), row["name"], labels, unpack_timed_labels(row, path))

    def features(self, i: int, wanted: Features) -> Tensor:
        """Read the features of clip `i`, [dim, T].

        Raises InputError if there are none, or they have other settings.
        """
        path, row = self._row(i)
        if self.feature_settings is None:
            raise InputError(f"{path} holds no features: pack them with `vqaudio prepare --features {wanted.kind}`.")
        check_settings(path, self.feature_settings, wanted)
        if len(row[FEATURES]) != 4 * wanted.dim * -(-row["samples"] // wanted.hop):
            raise InputError(f"{path} is damaged: the features of {row['name']} are of another length than its sound.")
        return torch.from_numpy(np.frombuffer(row[FEATURES], "<f4").reshape(-1, wanted.dim).astype(np.float32)).T

    def batches(self, split: Split, *settings, **more) -> "ShardBatches":
        """See `batches.training_batches`."""
        return ShardBatches(split, *settings, **more)

    def _row(self, i: int) -> tuple[Path, dict]:
        """Row `i` and its file."""
        if not 0 <= i < len(self):
            raise IndexError(i)
        chunk = bisect_right(self.ends, i)
        return self.chunks[chunk][0], self._rows(chunk)[i - self.ends[chunk] + self.sizes[chunk]]

    def _rows(self, chunk: int) -> list[dict]:
        if chunk not in self._kept:
            path, group = self.chunks[chunk]
            try:
                table = arrow()[1].ParquetFile(path).read_row_group(group, use_threads=False)
            except (OSError, ValueError) as error:  # the types that Arrow raises
                raise InputError(f"{path} is damaged: {str(error).splitlines()[0]}") from None
            self._kept[chunk] = table.to_pylist()
            if len(self._kept) > WINDOW:
                self._kept.popitem(last=False)
        self._kept.move_to_end(chunk)
        return self._kept[chunk]


class ShardBatches(TrainingBatches):
    """Random crops of clips from shuffled chunks, disjoint between processes.

    An epoch has as many steps as the process with the fewest clips can fill.
    """

    def __init__(self, split: Split, batch_size: int, crop: int, seed: int, augmentation, level_db=None, rank=0, world=1):
        super().__init__(Split((), split.sample_rate, split.labels), batch_size, crop, seed, augmentation, level_db, rank, world)
        shares = _shares(split.clips.sizes, world)
        if not all(shares):
            raise InputError(
                f"The shards hold {len(split.clips.sizes)} chunks, too few for {world} processes: "
                "train with fewer, or prepare the data with a smaller --per-shard."
            )
        self.split, self.share = split, shares[rank]
        self.audio = _Normalised(self, level_db)
        sizes = split.clips.sizes
        self.own = batch_size // world  # clips a batch in this process
        self.n_clips = sum(sizes[chunk] for chunk in self.share)
        self.per_epoch = max(1, min(sum(sizes[chunk] for chunk in share) for share in shares) // self.own)
        self._epoch = self._window = None

    def _metadata(self, index: int) -> Clip:
        return self.split.clips.metadata(index)

    def _index(self, position: int) -> int:
        """The clip at this position of the sequence of batches of all processes."""
        step, item = divmod(position, self.batch_size)
        epoch, step = divmod(step, self.per_epoch)
        position = (step * self.own + item // self.world) % self.n_clips
        if epoch != self._epoch:
            self._epoch, self._window = epoch, None
            self._windows, self._ends = self._ordered(epoch)
        window = bisect_right(self._ends, position)
        if window != self._window:
            self._window, self._order = window, self._shuffled(epoch, window)
        return self._order[position - (self._ends[window - 1] if window else 0)]

    def _ordered(self, epoch: int) -> tuple[list[list[int]], list[int]]:
        """This process's shuffled chunks in windows, and the cumulative number of clips after each."""
        order = [self.share[i] for i in _permutation(len(self.share), (self.seed, epoch, self.rank))]
        windows = [order[i : i + WINDOW] for i in range(0, len(order), WINDOW)]
        sizes = self.split.clips.sizes
        return windows, list(accumulate(sum(sizes[chunk] for chunk in window) for window in windows))

    def _shuffled(self, epoch: int, window: int) -> list[int]:
        """The clips of a window, shuffled."""
        clips = self.split.clips
        found = [i for chunk in self._windows[window] for i in range(clips.ends[chunk] - clips.sizes[chunk], clips.ends[chunk])]
        return [found[i] for i in _permutation(len(found), (self.seed, epoch, self.rank, window))]


def _permutation(n: int, seed: tuple[int, ...]) -> list[int]:
    return torch.randperm(n, generator=torch_generator(*seed)).tolist()


def _shares(sizes: list[int], world: int) -> list[list[int]]:
    """Assign chunks to processes, with about equal numbers of clips."""
    shares, loads = [[] for _ in range(world)], [0] * world
    for chunk in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        least = loads.index(min(loads))
        shares[least].append(chunk)
        loads[least] += sizes[chunk]
    return [sorted(share) for share in shares]


class _Normalised:
    """The clips' samples at one level, computed on access."""

    def __init__(self, batches: ShardBatches, level_db: float | None):
        self.batches, self.level_db = batches, level_db

    def __getitem__(self, i: int) -> Tensor:
        return at_level(self.batches.split.clips[i].audio, self.level_db, self.batches.split.sample_rate)
