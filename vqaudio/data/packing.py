"""Packing a dataset into shards: Parquet files of some thousand recordings each, every one whole or not there.

A folder of shards holds `index.sqlite` (what is to be packed, in a random order that stays), the shards, which are called
`{part}-{number}-of-{count}.parquet`, and, once all of them are there, `dataset.json` and `skipped.csv`. A shard depends on the
index and its number alone: so several processes, machines (under torchrun) or a Ray cluster pack side by side, and what was
interrupted goes on with the shards that are not there yet.
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

VERSION = 1
KEY = b"vqaudio"
INDEX, SUMMARY, SKIPPED = "index.sqlite", "dataset.json", "skipped.csv"
GROUP_ROWS, GROUP_BYTES = 128, 4 * 2**20  # a row group, which is read at once, ends with either


@dataclass(frozen=True)
class Done:
    """What packing a shard came to: recordings read and skipped, seconds of audio, and of this process's CPU time."""

    recordings: int = 0
    skipped: int = 0
    audio_s: float = 0.0
    cpu_s: float = 0.0

    def __add__(self, other: "Done") -> "Done":
        return Done(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values())))


@dataclass(frozen=True)
class Packer:
    """Packs shard after shard; a subclass says what becomes of a recording. It travels to other processes: keep it small."""

    out: Path
    per_shard: int
    """Recordings a shard."""

    @cached_property
    def index(self) -> Index:
        return Index(self.out / INDEX)

    def __getstate__(self) -> dict:
        """Without the index, which every process opens for itself."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def facts(self) -> dict:
        """What a reader must know, besides the labels."""
        raise NotImplementedError

    def columns(self) -> list[tuple]:
        """(name, Arrow type) of what `rows` gives, besides the labels."""
        raise NotImplementedError

    def rows(self, sources: list[Source], bad: list[tuple[str, str]]) -> Iterator[tuple[dict, Source, float]]:
        """(row, its recording, seconds of audio); puts (name, why) of what cannot be read into `bad`."""
        raise NotImplementedError

    def labels(self) -> dict[str, tuple[str, ...]]:
        """The kinds of label that are classes, with their values."""
        return self.index.labels

    def shards(self) -> list[tuple[str, int, Path]]:
        """(part, number, file) of every shard."""
        found = []
        for part in PARTS:
            n = -(-self.index.counts[part] // self.per_shard)
            found += [(part, k, self.out / f"{part}-{k:05d}-of-{n:05d}.parquet") for k in range(n)]
        return found

    def missing(self) -> list[int]:
        """Positions, in `shards`, of those that are not there yet."""
        return [i for i, (_, _, path) in enumerate(self.shards()) if not path.exists()]

    def __call__(self, i: int) -> Done:
        """Pack the shard at position `i`."""
        part, k, path = self.shards()[i]
        sources = self.index.slice(part, k * self.per_shard, self.per_shard)
        began, bad = time.process_time(), []
        found = self.rows(sources, bad)
        audio_s = _write_shard(path, self.columns(), label_columns(self.index.kinds, self.columns()), found, bad, self.facts())
        return Done(len(sources), len(bad), audio_s, time.process_time() - began)


def arrow():
    """pyarrow and pyarrow.parquet; raises InputError where they are not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("Shards need pyarrow: `pip install pyarrow`.") from None
    return pyarrow, pyarrow.parquet


def label_columns(kinds: Iterable[str], columns: Iterable[tuple]) -> dict[str, str]:
    """For each kind of label the name of its column, which is another where the name is taken."""
    taken = {name for name, _ in columns}
    return {kind: f"{kind}_label" if kind in taken else kind for kind in kinds}


def plan(out: Path, sources: Callable[[], Iterable[Source]], settings: dict) -> Index:
    """The index in `out`: the one that is there, or else a new one, which the first of several processes builds.

    Raises:
        InputError: the folder was begun with other settings, or holds something else.
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
                f"{out} was begun with another {name} ({index.settings.get(name)}, not {value}): "
                "give the same, or another folder."
            )
    return index


def pack(packer: Packer, what: str, processes: int = 1, ray: bool = False) -> Done:
    """Pack every shard that is not there yet, and finish where none is missing any more.

    Args:
        what: it is called on the progress bar.
        processes: that pack side by side on this machine. Under torchrun, every process packs its share.
        ray: hand the shards to a Ray cluster, the one that RAY_ADDRESS names, or else one on this machine.

    Raises:
        InputError: a process died, or Ray is not installed.
    """
    rank, world = _place()
    shards = packer.shards()
    mine = packer.missing() if ray else [i for i in packer.missing() if i % world == rank]
    total = sum(_size(packer, shards[i]) for i in mine)
    run = _with_ray if ray else _one_by_one if processes == 1 else _side_by_side
    done = Done()
    with bar(what, total, " recordings") as progress:
        for one in run(packer, mine, processes):
            done += one
            progress.update(one.recordings)
            if done.cpu_s:
                progress.set_postfix_str(f"{done.audio_s / done.cpu_s:.0f} times real time a core", refresh=False)
    if not packer.missing():
        _finish(packer)
    return done


def summary(out: Path) -> dict:
    """What dataset.json says of a folder of shards, every one of which is there and as long as it was.

    Raises:
        InputError: no such folder, not finished, damaged, or a shard that is missing or cut short.
    """
    if not out.is_dir():
        raise InputError(f"There is no folder {out}.")
    try:
        told = json.loads((out / SUMMARY).read_text())
        shards = [shard for part in told["parts"].values() for shard in part]
        sizes = [(out / shard["file"], shard["bytes"]) for shard in shards]
    except FileNotFoundError:
        if (out / INDEX).exists():
            raise InputError(f"The shards in {out} are not complete: the command that began them goes on with them.") from None
        raise InputError(f"{out} holds no shards: make them with `vqaudio prepare`.") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{out / SUMMARY} is damaged: delete it, and run the command that made it again.") from None
    for path, size in sizes:
        found = path.stat().st_size if path.exists() else 0
        if found != size:
            raise InputError(f"{path} is cut short or altered ({found:,} of {size:,} bytes): delete it, and prepare it again.")
    return told


def facts_of(out: Path) -> dict[str, str]:
    """A folder of shards in words; raises the InputErrors of `summary`."""
    told = summary(out)
    facts = {"kind": f"shards of {told['kind']}", "sample rate": f"{told['sample_rate']} Hz"}
    if "model" in told:
        facts["model"] = f"{told['model']} {told['fingerprint']}, {len(told['stages'])} stages"
    for part, shards in told["parts"].items():
        clips, hours = (sum(sum(shard["groups"]) for shard in shards), sum(shard["audio_s"] for shard in shards) / 3600)
        facts[part] = f"{clips:,} clips, {hours:.2f} hours, in {len(shards)} files"
    facts["labels"] = ", ".join(f"{kind} ({len(values)} values)" for kind, values in told["labels"].items()) or "none"
    return facts | {"skipped": f"{told['skipped']:,} recordings"}


def _write_shard(path: Path, columns, labels: dict[str, str], rows, bad: list, facts: dict) -> float:
    """Write rows, group by group, and only so many in memory; returns the seconds of audio."""
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
            told = {**facts, "version": VERSION, "labels": labels, "skipped": bad, "audio_s": audio_s}
            writer.add_key_value_metadata({KEY: json.dumps(told).encode()})

    replace_file(path, write)
    return audio_s


def _finish(packer: Packer) -> None:
    """Write skipped.csv and dataset.json from what the shards say of themselves."""
    _, parquet = arrow()
    parts: dict[str, list[dict]] = {part: [] for part in PARTS}
    skipped = []
    for part, _, path in packer.shards():
        try:
            footer = parquet.read_metadata(path)
            told = json.loads(footer.metadata[KEY])
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{path} is no whole shard ({reason}): delete it, and the same command makes it again.") from None
        groups = [footer.row_group(g).num_rows for g in range(footer.num_row_groups)]
        parts[part].append({"file": path.name, "bytes": path.stat().st_size, "groups": groups, "audio_s": told["audio_s"]})
        skipped += [(part, *one) for one in told["skipped"]]
    facts = {"version": VERSION, **packer.facts(), "labels": packer.labels(), "skipped": len(skipped), "parts": parts}
    facts["columns"] = label_columns(packer.index.kinds, packer.columns())
    replace_file(packer.out / SKIPPED, lambda temporary: _write_table(temporary, skipped))
    replace_file(packer.out / SUMMARY, lambda temporary: temporary.write_text(json.dumps(facts, indent=1) + "\n"))
    for left in packer.out.glob(".*.tmp"):  # of processes that were killed
        left.unlink(missing_ok=True)


def _write_table(path: Path, rows: list[tuple]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("part", "recording", "reason"), *rows])


def _size(packer: Packer, shard: tuple[str, int, Path]) -> int:
    part, k, _ = shard
    return min(packer.per_shard, packer.index.counts[part] - k * packer.per_shard)


def _place() -> tuple[int, int]:
    """This process's rank among torchrun's, and their number."""
    return (int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])) if "RANK" in os.environ else (0, 1)


# Three ways to pack: here, in several processes, on a Ray cluster.


def _one_by_one(packer: Packer, numbers: list[int], processes: int) -> Iterator[Done]:
    yield from map(packer, numbers)


def _side_by_side(packer: Packer, numbers: list[int], processes: int) -> Iterator[Done]:
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _prepare_process, (packer, processes))
    try:
        for future in as_completed([pool.submit(_in_process, number) for number in numbers]):
            yield future.result()
    except BrokenProcessPool:
        raise InputError(
            "A process died, for lack of memory perhaps: the same command goes on, with fewer --processes if it must."
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _prepare_process(packer: Packer, processes: int) -> None:
    import signal

    import torch

    global _packer
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches every process; this one has nothing to say about it
    torch.set_num_threads(max(1, torch.get_num_threads() // processes))
    _packer = packer


def _in_process(number: int) -> Done:
    return _packer(number)


class _RayWorker:
    """Packs the shards whose numbers are in the rows that it is given."""

    def __init__(self, packer: Packer):
        self.packer = packer

    def __call__(self, row: dict) -> dict:
        return asdict(self.packer(int(row["item"])))


def _with_ray(packer: Packer, numbers: list[int], processes: int) -> Iterator[Done]:
    try:
        import ray
        import ray.data
    except ImportError:
        raise InputError("Ray is not there: `pip install 'ray[data]'`, or leave --ray out.") from None
    if not numbers:
        return
    ray.init(ignore_reinit_error=True, log_to_driver=False, logging_level="error", include_dashboard=False)
    rows = ray.data.from_items(numbers, override_num_blocks=len(numbers))
    for row in rows.map(_RayWorker, fn_constructor_args=(packer,), concurrency=processes, num_cpus=1).iter_rows():
        yield Done(**row)
