"""A corpus as codes in Parquet shards, for pandas, datasets, Ray or Spark.

Each row is a recording:

| column | content |
| --- | --- |
| name | the recording, relative to its folder |
| ids | its codes, column by column: `ids[t * K + k]` is row k of column t, with K rows |
| columns, samples | number of columns, and of audio samples |
| level_db | the level that decoding restores, dBFS; null for a codec without level normalisation |
| timed_labels | its timed labels, JSON [[kind, value, start_s, end_s], ...]; null for none |
| (others) | the recording's labels |

`dataset.json` names the codec and describes the rows and files.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vqaudio.codes import Codes, CodeSpec, Stage
from vqaudio.data.batches import pad
from vqaudio.data.packing import TIMED, PackingTotals, arrow, pack, pack_timed_labels, plan, summary, unpack_timed_labels
from vqaudio.data.shards import DatasetPacker, with_files
from vqaudio.data.sources import PARTS, UNREADABLE, Source, sound_of, timed_labels_of
from vqaudio.errors import InputError
from vqaudio.timed_labels import TimedLabel

KIND = "codes"
READ_S = 600.0  # seconds of audio to read before sorting by length and encoding


def tokenize(
    codec, name: str, out: Path, data: Path | None, dataset: str = "folder", n_stages: int | None = None,
    per_shard: int = 1000, batch_s: float = 40.0, device: str = "cpu", processes: int = 1, ray: bool = False,
) -> PackingTotals:
    """Encode every recording of a dataset into `out`, or continue a started folder.

    Args:
        codec: the model.
        name: the model's name or folder, by which other processes load it.
        out: the folder of shards.
        data: the dataset's folder.
        dataset: the module of vqaudio.data that lists it.
        n_stages: number of stages to keep; None for all.
        per_shard: recordings per shard.
        batch_s: seconds of audio, with padding, in a batch; a longer recording gets its own.
        device, processes, ray: where to run; see `packing.pack`.

    Raises:
        InputError: those of `packing.plan` and `packing.pack`; more stages than the codec has.
    """
    arrow()
    spec = codec.spec if n_stages is None else codec.spec.first(n_stages)
    settings = {
        "kind": KIND, "dataset": dataset, "data": str(data and Path(data).resolve()), "model": codec.fingerprint,
        "number of stages": len(spec.stages), "number of recordings a shard": per_shard,
    }
    module = with_files(dataset)
    plan(out, lambda: module.sources(data), settings)
    packer = CodesPacker(out, per_shard, dataset, name, codec.fingerprint, len(spec.stages), batch_s, device)
    return pack(packer, "encoding", processes, ray)


@dataclass(frozen=True)
class CodesPacker(DatasetPacker):
    """Packs the codes of recordings."""

    model: str
    fingerprint: str
    n_stages: int
    batch_s: float
    device: str

    @cached_property
    def codec(self):
        from vqaudio.hub import load

        codec = load(self.model)
        if codec.fingerprint != self.fingerprint:
            raise InputError(f"The model {self.model!r} is not the same for all processes.")
        return codec.to(self.device)

    @cached_property
    def spec(self) -> CodeSpec:
        return self.codec.spec.first(self.n_stages)

    def facts(self) -> dict:
        stages = [[stage.bands, stage.steps, stage.vocab] for stage in self.spec.stages]
        codec = {"model": self.codec.name, "fingerprint": self.fingerprint, "sample_rate": self.codec.sample_rate}
        return {"kind": KIND, **codec, "stages": stages, "frame_rate": self.spec.frame_rate}

    def columns(self) -> list[tuple]:
        pa, _ = arrow()
        word = pa.uint16() if max(self.spec.vocab_of_row) <= 2**16 else pa.int32()
        counts = [("columns", pa.int32()), ("samples", pa.int64()), ("level_db", pa.float32()), (TIMED, pa.string())]
        return [("name", pa.string()), ("ids", pa.list_(word)), *counts]

    def rows(self, sources: list[Source], bad: list[tuple[str, str]]) -> Iterator[tuple[dict, Source, float]]:
        held, held_s = [], 0.0
        for source in sources:
            try:
                sound = sound_of(source.path, self.codec.sample_rate)
                timed = timed_labels_of(source.path, len(sound) / self.codec.sample_rate)
            except UNREADABLE as error:
                bad.append((source.name, str(error)))
                continue
            held.append((source, sound, timed))
            held_s += len(sound) / self.codec.sample_rate
            if held_s >= READ_S:
                yield from self._encoded(held)
                held, held_s = [], 0.0
        yield from self._encoded(held)

    def _encoded(self, held: list[tuple[Source, Tensor, tuple[TimedLabel, ...]]]) -> Iterator[tuple[dict, Source, float]]:
        """Rows in the recordings' order, encoded in batches of similar length."""
        rows: dict[int, dict] = {}
        for batch in batches_of([len(sound) for _, sound, _ in held], self.batch_s * self.codec.sample_rate):
            codes = self.codec.encode(*pad([held[i][1] for i in batch])).first(self.n_stages)
            for b, i in enumerate(batch):
                ids = codes.ids[b][:, codes.valid[b]].T.cpu().numpy()
                rows[i] = {"name": held[i][0].name, "ids": ids.ravel(), "columns": len(ids), "samples": len(held[i][1])}
                rows[i]["level_db"] = None if codes.level_db is None else float(codes.level_db[b])
        for i, (source, sound, timed) in enumerate(held):
            rows[i][TIMED] = pack_timed_labels(timed)
            yield rows[i], source, len(sound) / self.codec.sample_rate


def batches_of(lengths: list[int], room: float) -> list[list[int]]:
    """Group recordings of these lengths into batches, longest first.

    Args:
        lengths: samples.
        room: the most samples in a batch, with padding; a longer recording gets its own.

    Returns:
        positions of the recordings in each batch.
    """
    batches: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= room:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


@dataclass(frozen=True)
class EncodedClip:
    """A tokenised recording.

    Attributes:
        name: of the recording, relative to its folder.
        codes: one clip.
        labels: kind -> value.
        timed_labels: of its intervals, sorted by start.
    """

    name: str
    codes: Codes
    labels: dict[str, str]
    timed_labels: tuple[TimedLabel, ...] = ()


def read(root: Path, part: str | None = None, codec=None) -> Iterator[tuple[str, Codes, dict[str, str]]]:
    """Yield (name, codes of one clip, labels) of every recording; see `read_clips`."""
    for clip in read_clips(root, part, codec):
        yield clip.name, clip.codes, clip.labels


def read_clips(root: Path, part: str | None = None, codec=None) -> Iterator[EncodedClip]:
    """Yield every recording in a folder that `tokenize` wrote.

    Args:
        root: the folder of shards.
        part: train, validation or test; None for all.
        codec: if given, require codes of exactly this model.

    Raises:
        InputError: those of `packing.summary`, or codes of another model.
    """
    metadata = summary(Path(root))
    if metadata.get("kind") != KIND:
        raise InputError(f"{root} holds shards of {metadata.get('kind')}, and not of codes: `vqaudio tokenize` makes those.")
    if codec is not None and codec.fingerprint != metadata["fingerprint"]:
        raise InputError(f"The codes in {root} are from the model {metadata['model']!r}, not {codec.name!r}. Load that model.")
    spec = CodeSpec(tuple(Stage(*stage) for stage in metadata["stages"]), metadata["frame_rate"])
    for one in PARTS if part is None else (part,):
        for shard in metadata["parts"][one]:
            yield from _read_shard(Path(root) / shard["file"], spec, metadata["columns"])


def _read_shard(path: Path, spec: CodeSpec, columns: dict[str, str]) -> Iterator[EncodedClip]:
    try:
        with arrow()[1].ParquetFile(path) as file:
            for batch in file.iter_batches(256, use_threads=False):
                for row in batch.to_pylist():
                    labels = {kind: row[column] for kind, column in columns.items() if row[column] is not None}
                    yield EncodedClip(row["name"], _codes(row, spec), labels, unpack_timed_labels(row, path))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged: {str(error).splitlines()[0]}") from None


def _codes(row: dict, spec: CodeSpec) -> Codes:
    ids = torch.from_numpy(np.array(row["ids"], np.int64).reshape(1, row["columns"], spec.rows)).transpose(1, 2)
    level = None if row["level_db"] is None else torch.tensor([row["level_db"]])
    return Codes(ids, spec, torch.tensor([row["samples"]]), torch.ones(1, row["columns"], dtype=torch.bool), level)
