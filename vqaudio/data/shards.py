"""Training from shards: a dataset that was decoded, resampled and packed once (`vqaudio prepare`), read chunk by chunk.

In a shard, a clip is a row: its name, its samples as FLAC (16 bit), how many they are, and its labels. A chunk is a row group:
what is read at once. Training shuffles the chunks, and the clips of WINDOW neighbouring chunks among each other; so memory holds
that many chunks (some 64 MB) however many clips there are, and the batch of a step is a function of the step all the same.
(That is for codecs and judges: a prior's training holds the codes of all clips, and their samples while they are encoded.)
"""

import io
import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import soundfile
import torch
from torch import Tensor

from vqaudio.audio import to_int16
from vqaudio.data import dataset_module
from vqaudio.data.batches import TrainingBatches
from vqaudio.data.clips import Clip, Split, check_rate
from vqaudio.data.packing import Done, Packer, arrow, pack, plan, summary
from vqaudio.data.seeds import torch_generator
from vqaudio.data.sources import PARTS, UNREADABLE, Source
from vqaudio.errors import InputError

WINDOW = 16  # chunks whose clips are shuffled among each other
VALIDATION_CLIPS = 500  # at the most: they are in a random order, so the first ones stand for all
KIND = "audio"


def prepare(
    dataset: str, out: Path, data: Path | None, sample_rate: int, per_shard: int = 1000, processes: int = 1, ray: bool = False
) -> Done:
    """Pack a dataset's recordings into shards in `out`; what was interrupted is gone on with.

    Args:
        dataset: a module of vqaudio.data that lists its files (`sources`) and reads them (`clips_of`).
        data: its folder.
        sample_rate: Hz.
        per_shard: recordings a shard.

    Raises:
        InputError: no such dataset, or those of `packing.plan` and `packing.pack`.
    """
    module = with_files(dataset)
    settings = {
        "kind": KIND, "dataset": dataset, "data": str(data and Path(data).resolve()), "sample rate": sample_rate,
        "number of recordings a shard": per_shard,
    }
    arrow()
    plan(out, lambda: module.sources(data), settings)
    return pack(AudioPacker(out, per_shard, dataset, sample_rate), "packing", processes, ray)


def with_files(dataset: str):
    """The module of a dataset whose recordings lie in files; raises InputError."""
    module = dataset_module(dataset)
    if not hasattr(module, "clips_of"):
        raise InputError(f"{dataset!r} cannot be read file by file: choose folder, fsdd or speech_commands.")
    return module


@dataclass(frozen=True)
class DatasetPacker(Packer):
    """Packs a dataset whose recordings lie in files."""

    dataset: str

    def labels(self) -> dict[str, tuple[str, ...]]:
        """Those that the dataset's module names in CLASSES; all, where it names none."""
        classes = getattr(with_files(self.dataset), "CLASSES", self.index.labels)
        return {kind: values for kind, values in self.index.labels.items() if kind in classes}


@dataclass(frozen=True)
class AudioPacker(DatasetPacker):
    """Decodes and resamples."""

    sample_rate: int

    def facts(self) -> dict:
        return {"kind": KIND, "sample_rate": self.sample_rate, "dataset": self.dataset}

    def columns(self) -> list[tuple]:
        pa, _ = arrow()
        return [("name", pa.string()), ("audio", pa.binary()), ("samples", pa.int32())]

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
                yield row, source, len(clip.audio) / self.sample_rate


def to_flac(audio: Tensor, sample_rate: int) -> bytes:
    """[N] in [-1, 1] -> a FLAC file of 16 bits."""
    file = io.BytesIO()
    soundfile.write(file, to_int16(audio), sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def load_split(split: str, root: str | os.PathLike | None = None, sample_rate: int | None = None) -> Split:
    """A part of a folder of shards. "train" and "test" stay on disk; of "validation", the first clips are read into memory.

    Args:
        root: the folder.
        sample_rate: Hz, that of the shards; None for whatever they have.

    Raises:
        InputError: those of `packing.summary`, another rate, no such split, or nothing in it.
    """
    if split not in PARTS:
        raise InputError(f"Shards have the splits {', '.join(PARTS)}; not {split!r}.")
    if root is None:
        raise InputError("Name the folder of shards with --data.")
    told = summary(Path(root))
    if told.get("kind") != KIND:
        raise InputError(f"{root} holds shards of {told.get('kind')}, and not of audio: `vqaudio prepare` makes those.")
    check_rate(f"The folder of shards {root}", told["sample_rate"], sample_rate or told["sample_rate"])
    files = [(Path(root) / shard["file"], tuple(shard["groups"])) for shard in told["parts"][split]]
    clips = Clips(files, told["columns"], sum(shard["audio_s"] for shard in told["parts"][split]))
    if not len(clips):
        raise InputError(f"The shards in {root} hold no clip for {split}.")
    labels = {kind: tuple(values) for kind, values in told["labels"].items()}
    if split == "validation":
        clips = tuple(clips[i] for i in range(min(len(clips), VALIDATION_CLIPS)))
    return Split(clips, told["sample_rate"], labels, packed_from=told.get("dataset"))


class Clips(Sequence):
    """The clips of a part, in the order of the shards; the chunks that were used last stay in memory.

    Args:
        files: (path, clips in each of its chunks).
        columns: for each kind of label, its column.
        seconds: of audio in all.
    """

    def __init__(self, files: list[tuple[Path, tuple[int, ...]]], columns: dict[str, str], seconds: float = 0.0):
        self.columns, self.seconds = columns, seconds
        self.chunks = [(path, group) for path, groups in files for group in range(len(groups))]
        self.sizes = [size for _, groups in files for size in groups]
        self.ends = list(accumulate(self.sizes))
        self._kept: OrderedDict[int, list[dict]] = OrderedDict()

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def __getitem__(self, i: int) -> Clip:
        """Raises InputError where the shard is damaged."""
        path, row = self._row(i)
        try:
            sound, _ = soundfile.read(io.BytesIO(row["audio"]), dtype="float32")
        except soundfile.LibsndfileError as error:
            raise InputError(f"{path} is damaged: {row['name']} in it cannot be read ({error.error_string}).") from None
        return replace(self.told(i), audio=torch.from_numpy(sound))

    def told(self, i: int) -> Clip:
        """The clip without its samples."""
        row = self._row(i)[1]
        labels = {kind: row[column] for kind, column in self.columns.items() if row[column] is not None}
        return Clip(torch.zeros(0), row["name"], labels)

    def batches(self, split: Split, *settings, **more) -> "ShardBatches":
        """See `batches.training_batches`."""
        return ShardBatches(split, *settings, **more)

    def _row(self, i: int) -> tuple[Path, dict]:
        """Row `i`, and the file that it is in."""
        if not 0 <= i < len(self):
            raise IndexError(i)
        chunk = bisect_right(self.ends, i)
        return self.chunks[chunk][0], self._rows(chunk)[i - self.ends[chunk] + self.sizes[chunk]]

    def _rows(self, chunk: int) -> list[dict]:
        if chunk not in self._kept:
            path, group = self.chunks[chunk]
            try:
                table = arrow()[1].ParquetFile(path).read_row_group(group, use_threads=False)
            except (OSError, ValueError) as error:  # Arrow's errors are these
                raise InputError(f"{path} is damaged: {str(error).splitlines()[0]}") from None
            self._kept[chunk] = table.to_pylist()
            if len(self._kept) > WINDOW:
                self._kept.popitem(last=False)
        self._kept.move_to_end(chunk)
        return self._kept[chunk]


class ShardBatches(TrainingBatches):
    """Random crops of clips from shuffled chunks. Each process has chunks of its own: no other reads them.

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
        self.own = batch_size // world  # clips of a batch
        self.n_clips = sum(sizes[chunk] for chunk in self.share)
        self.per_epoch = max(1, min(sum(sizes[chunk] for chunk in share) for share in shares) // self.own)
        self._epoch = self._window = None

    def _told(self, index: int) -> Clip:
        return self.split.clips.told(index)

    def _index(self, position: int) -> int:
        """Which clip stands at this position of the sequence of batches, all processes' together."""
        step, item = divmod(position, self.batch_size)
        epoch, step = divmod(step, self.per_epoch)
        place = (step * self.own + item // self.world) % self.n_clips
        if epoch != self._epoch:
            self._epoch, self._window = epoch, None
            self._windows, self._ends = self._ordered(epoch)
        window = bisect_right(self._ends, place)
        if window != self._window:
            self._window, self._order = window, self._shuffled(epoch, window)
        return self._order[place - (self._ends[window - 1] if window else 0)]

    def _ordered(self, epoch: int) -> tuple[list[list[int]], list[int]]:
        """This process's chunks in a new order, in windows, and how many clips there are up to the end of each window."""
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
    """Chunks for each process, about as many clips for one as for another."""
    shares, loads = [[] for _ in range(world)], [0] * world
    for chunk in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        least = loads.index(min(loads))
        shares[least].append(chunk)
        loads[least] += sizes[chunk]
    return [sorted(share) for share in shares]


class _Normalised:
    """The clips' samples at one level, each computed when it is asked for."""

    def __init__(self, batches: ShardBatches, level_db: float | None):
        self.batches, self.level_db = batches, level_db

    def __getitem__(self, i: int) -> Tensor:
        return self.batches._normalised(self.batches.split.clips[i].audio, self.level_db)
