"""Pack a dataset into shards: Parquet files of some thousand recordings.

A folder of shards holds `index.sqlite` (the recordings, in a fixed random order), the shards `{part}-{number}-of-{count}.parquet`
and, once all of them are written, `dataset.json` and `skipped.csv`. A shard depends only on the index and its number, so several
processes, machines (under torchrun) or a Ray cluster can pack side by side, and an interrupted run continues with the missing
shards.
"""

import csv
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from vqaudio.data.index import Index, wait_for
from vqaudio.data.sources import PARTS, Source
from vqaudio.errors import InputError
from vqaudio.files import replace_file
from vqaudio.progress import bar
from vqaudio.timed_labels import TimedLabel, parse, to_json

VERSION = 1
KEY = b"vqaudio"
TIMED = "timed_labels"  # column of a recording's timed labels, in JSON; null for none
INDEX, SUMMARY, SKIPPED = "index.sqlite", "dataset.json", "skipped.csv"
GROUP_ROWS, GROUP_BYTES = 128, 4 * 2**20  # a row group, the unit of reading, ends at whichever comes first


@dataclass(frozen=True)
class PackingTotals:
    """Totals over packed shards: recordings, skipped ones, audio and CPU seconds."""

    recordings: int = 0
    skipped: int = 0
    audio_s: float = 0.0
    cpu_s: float = 0.0

    def __add__(self, other: "PackingTotals") -> "PackingTotals":
        return PackingTotals(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values())))


@dataclass(frozen=True)
class Packer:
    """Packs one shard at a time; a subclass encodes the recordings.

    It is sent to other processes, so keep it small.
    """

    out: Path
    per_shard: int
    """Recordings per shard."""

    @cached_property
    def index(self) -> Index:
        return Index(self.out / INDEX)

    def __getstate__(self) -> dict:
        """Drop the index, which every process opens for itself."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def facts(self) -> dict:
        """Metadata that a reader needs besides the labels."""
        raise NotImplementedError

    def columns(self) -> list[tuple]:
        """(name, Arrow type) of each column of `rows`, besides the labels."""
        raise NotImplementedError

    def rows(self, sources: list[Source], bad: list[tuple[str, str]]) -> Iterator[tuple[dict, Source, float]]:
        """Yield (row, recording, seconds); add (name, reason) of failures to `bad`."""
        raise NotImplementedError

    def labels(self) -> dict[str, tuple[str, ...]]:
        """Kinds of label that are classes, with their values."""
        return self.index.labels

    def shards(self) -> list[tuple[str, int, Path]]:
        """(part, number, file) of every shard."""
        found = []
        for part in PARTS:
            n = -(-self.index.counts[part] // self.per_shard)
            found += [(part, k, self.out / f"{part}-{k:05d}-of-{n:05d}.parquet") for k in range(n)]
        return found

    def missing(self) -> list[int]:
        """Positions, in `shards`, of those not yet written."""
        return [i for i, (_, _, path) in enumerate(self.shards()) if not path.exists()]

    def __call__(self, i: int) -> PackingTotals:
        """Pack the shard at position `i`."""
        part, k, path = self.shards()[i]
        sources = self.index.slice(part, k * self.per_shard, self.per_shard)
        began, bad = time.process_time(), []
        found = self.rows(sources, bad)
        audio_s = _write_shard(path, self.columns(), label_columns(self.index.kinds, self.columns()), found, bad, self.facts())
        return PackingTotals(len(sources), len(bad), audio_s, time.process_time() - began)


def arrow():
    """Import pyarrow and pyarrow.parquet. Raises InputError if they are not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("Shards need pyarrow: `pip install pyarrow`.") from None
    return pyarrow, pyarrow.parquet


def label_columns(kinds: Iterable[str], columns: Iterable[tuple]) -> dict[str, str]:
    """Map each kind of label to a column name that is not taken."""
    taken = {name for name, _ in columns}
    return {kind: f"{kind}_label" if kind in taken else kind for kind in kinds}


def pack_timed_labels(labels: tuple[TimedLabel, ...]) -> str | None:
    """Encode timed labels for the column TIMED."""
    return json.dumps(to_json(labels), ensure_ascii=False) if labels else None


def unpack_timed_labels(row: dict, path: Path) -> tuple[TimedLabel, ...]:
    """Decode a row's timed labels; none in shards from before they existed.

    Raises:
        InputError: the shard at `path` is damaged.
    """
    try:
        return parse(json.loads(row.get(TIMED) or "[]"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: the timed labels of {row['name']} cannot be read ({error}).") from None


def plan(out: Path, sources: Callable[[], Iterable[Source]], settings: dict) -> Index:
    """Open the index in `out`, or build it in the first of several processes.

    Raises:
        InputError: the folder was started with other settings, or holds something else.
    """
    path, settings = out / INDEX, {"version": VERSION, **settings}
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder for the shards.")
    rank, _ = _place()
    if not path.exists() and rank == 0:
        if out.is_dir() and any(not file.name.startswith(".") for file in out.iterdir()):
            raise InputError(f"{out} holds other files: name a new folder for the shards.")
        out.mkdir(parents=True, exist_ok=True)
        index = Index.build(path, sources(), settings)
    else:
        index = wait_for(path)
    for name, value in settings.items():
        if index.settings.get(name) != value:
            raise InputError(
                f"{out} was started with another {name} ({index.settings.get(name)}, not {value}): "
                "use the same, or another folder."
            )
    return index


def pack(packer: Packer, what: str, processes: int = 1, ray: bool = False) -> PackingTotals:
    """Pack every missing shard, then write the summary once all are there.

    Args:
        what: label of the progress bar.
        processes: number of processes on this machine. Under torchrun, every process packs its share.
        ray: use a Ray cluster: the one at RAY_ADDRESS, or a local one.

    Returns:
        totals over the shards packed by this call.

    Raises:
        InputError: a process died, or Ray is not installed.
    """
    rank, world = _place()
    shards = packer.shards()
    mine = packer.missing() if ray else [i for i in packer.missing() if i % world == rank]
    total = sum(_size(packer, shards[i]) for i in mine)
    run = _with_ray if ray else _one_by_one if processes == 1 else _side_by_side
    done = PackingTotals()
    with bar(what, total, " recordings") as progress:
        for one in run(packer, mine, processes):
            done += one
            progress.update(one.recordings)
            if done.cpu_s:
                progress.set_postfix_str(f"{done.audio_s / done.cpu_s:.0f} times real time per core", refresh=False)
    if not packer.missing():
        _finish(packer)
    return done


def summary(out: Path) -> dict:
    """Read dataset.json and check that every shard is there at its full size.

    Raises:
        InputError: there is no such folder, it is unfinished or damaged, or a shard is missing or truncated.
    """
    if not out.is_dir():
        raise InputError(f"There is no folder {out}.")
    try:
        metadata = json.loads((out / SUMMARY).read_text())
        shards = [shard for part in metadata["parts"].values() for shard in part]
        sizes = [(out / shard["file"], shard["bytes"]) for shard in shards]
    except FileNotFoundError:
        if (out / INDEX).exists():
            raise InputError(f"The shards in {out} are not complete: run the command that began them again to finish.") from None
        raise InputError(f"{out} holds no shards: make them with `vqaudio prepare`.") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{out / SUMMARY} is damaged: delete it, and run the command that made it again.") from None
    for path, size in sizes:
        found = path.stat().st_size if path.exists() else 0
        if found != size:
            raise InputError(f"{path} is cut short or altered ({found:,} of {size:,} bytes): delete it, and prepare it again.")
    return metadata


def facts_of(out: Path) -> dict[str, str]:
    """Describe a folder of shards in words. Raises the InputErrors of `summary`."""
    metadata = summary(out)
    facts = {"kind": f"shards of {metadata['kind']}", "sample rate": f"{metadata['sample_rate']} Hz"}
    if "model" in metadata:
        facts["model"] = f"{metadata['model']} {metadata['fingerprint']}, {len(metadata['stages'])} stages"
    for part, shards in metadata["parts"].items():
        clips, hours = (sum(sum(shard["groups"]) for shard in shards), sum(shard["audio_s"] for shard in shards) / 3600)
        facts[part] = f"{clips:,} clips, {hours:.2f} hours, in {len(shards)} files"
    facts["labels"] = ", ".join(f"{kind} ({len(values)} values)" for kind, values in metadata["labels"].items()) or "none"
    return facts | {"skipped": f"{metadata['skipped']:,} recordings"}


def _write_shard(path: Path, columns, labels: dict[str, str], rows, bad: list, facts: dict) -> float:
    """Write rows group by group, to bound the memory; returns the seconds of audio."""
    pa, parquet = arrow()
    schema = pa.schema([*columns, *((name, pa.string()) for name in labels.values())])
    audio_s = 0.0

    def write(temporary: Path) -> None:
        nonlocal audio_s
        group, size = [], 0
        with temporary.open("wb") as file, parquet.ParquetWriter(file, schema, compression="zstd") as writer:
            for row, source, seconds in rows:
                group.append(row | {name: source.labels.get(kind) for kind, name in labels.items()})
                audio_s += seconds
                size += sum(memoryview(value).nbytes for value in row.values() if isinstance(value, bytes | np.ndarray))
                if len(group) == GROUP_ROWS or size >= GROUP_BYTES:
                    writer.write_table(pa.Table.from_pylist(group, schema))
                    group, size = [], 0
            if group:
                writer.write_table(pa.Table.from_pylist(group, schema))
            metadata = {**facts, "version": VERSION, "labels": labels, "skipped": bad, "audio_s": audio_s}
            writer.add_key_value_metadata({KEY: json.dumps(metadata).encode()})

    replace_file(path, write)
    return audio_s


def _finish(packer: Packer) -> None:
    """Write skipped.csv and dataset.json from the shards' own metadata."""
    _, parquet = arrow()
    parts: dict[str, list[dict]] = {part: [] for part in PARTS}
    skipped = []
    for part, _, path in packer.shards():
        try:
            footer = parquet.read_metadata(path)
            metadata = json.loads(footer.metadata[KEY])
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{path} is not a complete shard ({reason}): delete it and run the same command again.") from None
        groups = [footer.row_group(g).num_rows for g in range(footer.num_row_groups)]
        parts[part].append({"file": path.name, "bytes": path.stat().st_size, "groups": groups, "audio_s": metadata["audio_s"]})
        skipped += [(part, *one) for one in metadata["skipped"]]
    facts = {"version": VERSION, **packer.facts(), "labels": packer.labels(), "skipped": len(skipped), "parts": parts}
    facts["columns"] = label_columns(packer.index.kinds, packer.columns())
    replace_file(packer.out / SKIPPED, lambda temporary: _write_table(temporary, skipped))
    replace_file(packer.out / SUMMARY, lambda temporary: temporary.write_text(json.dumps(facts, indent=1) + "\n"))
    for left in packer.out.glob(".*.tmp"):  # from processes that were killed
        left.unlink(missing_ok=True)


def _write_table(path: Path, rows: list[tuple]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("part", "recording", "reason"), *rows])


def _size(packer: Packer, shard: tuple[str, int, Path]) -> int:
    part, k, _ = shard
    return min(packer.per_shard, packer.index.counts[part] - k * packer.per_shard)


def _place() -> tuple[int, int]:
    """This process's rank and the number of processes under torchrun."""
    return (int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])) if "RANK" in os.environ else (0, 1)


# Three ways to pack: in this process, in several processes, on a Ray cluster.


def _one_by_one(packer: Packer, numbers: list[int], processes: int) -> Iterator[PackingTotals]:
    yield from map(packer, numbers)


def _side_by_side(packer: Packer, numbers: list[int], processes: int) -> Iterator[PackingTotals]:
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _prepare_process, (packer, processes))
    try:
        for future in as_completed([pool.submit(_in_process, number) for number in numbers]):
            yield future.result()
    except BrokenProcessPool:
        raise InputError(
            "A process died, perhaps for lack of memory: run the same command again to continue, with fewer --processes."
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _prepare_process(packer: Packer, processes: int) -> None:
    import signal

    import torch

    global _packer
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches every process; only the parent reports it
    torch.set_num_threads(max(1, torch.get_num_threads() // processes))
    _packer = packer


def _in_process(number: int) -> PackingTotals:
    return _packer(number)


class _RayWorker:
    """Pack the shards whose numbers are in its rows."""

    def __init__(self, packer: Packer):
        self.packer = packer

    def __call__(self, row: dict) -> dict:
        return asdict(self.packer(int(row["item"])))


def _with_ray(packer: Packer, numbers: list[int], processes: int) -> Iterator[PackingTotals]:
    try:
        import ray
        import ray.data
    except ImportError:
        raise InputError("Ray is not installed: `pip install 'ray[data]'`, or leave out --ray.") from None
    if not numbers:
        return
    ray.init(ignore_reinit_error=True, log_to_driver=False, logging_level="error", include_dashboard=False)
    rows = ray.data.from_items(numbers, override_num_blocks=len(numbers))
    for row in rows.map(_RayWorker, fn_constructor_args=(packer,), concurrency=processes, num_cpus=1).iter_rows():
        yield PackingTotals(**row)
