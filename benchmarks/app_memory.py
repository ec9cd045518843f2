"""The app's memory: clips opened one after the other, then abandoned sessions.

First, one page opens clip after clip; then a new page for every clip opens, decodes and edits it and is abandoned. The app runs
in its own process, with one that samples; the resident memory of both is read from /proc (Linux), what they share counted once.

    python -m benchmarks.app_memory --json benchmarks/results/app_memory.json
"""

import random
import tempfile
import time
from pathlib import Path

import tyro

from benchmarks.app_load import Page, own_clip, resident_megabytes, running
from benchmarks.measure import table, write_json
from vqaudio import audio as audio_io

RATE = 16_000
TO_REACH_MB = 1200


def main(
    clips: int = 2000, sessions: int = 200, shortest_s: float = 1.0, longest_s: float = 10.0, model: str = "", seed: int = 0,
    json: Path | None = None,
) -> None:
    """Print the app's memory as clips are opened and sessions abandoned.

    Args:
        clips: opened one after the other on one page.
        sessions: that open a clip and then go silent.
        shortest_s, longest_s: length of a clip; the lengths are spread evenly.
        model: a codec of the app; empty for the default.
        seed: of the clips and the stages.
        json: also write the numbers to this file.
    """
    chance, started = random.Random(seed), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as (address, process, _):
        visitor = Visitor(address, model, Path(folder), (shortest_s, longest_s), chance)
        rows = [("started", resident_megabytes(process.pid))]
        visitor.visit()
        rows.append(("the first clip, with the model loaded", resident_megabytes(process.pid)))
        for n in range(1, clips + 1):
            visitor.visit()
            if n % max(1, clips // 8) == 0 or n == clips:
                rows.append((f"{n} clips on one page", resident_megabytes(process.pid)))
                print(*rows[-1], flush=True)
        for n in range(1, sessions + 1):
            Visitor(address, model, Path(folder), (shortest_s, longest_s), chance).visit()
            if n % max(1, sessions // 4) == 0 or n == sessions:
                rows.append((f"{n} abandoned sessions", resident_megabytes(process.pid)))
                print(*rows[-1], flush=True)
    peak_mb = max((mb for _, mb in rows if mb is not None), default=None)
    print(table(("", "MB"), [(what, f"{mb:.0f}") for what, mb in rows]))
    print(f"the most: {peak_mb:.0f} MB, to reach {TO_REACH_MB} MB; {time.perf_counter() - started:.0f} s in all")
    write_json(json, {
        "clips": clips, "sessions": sessions, "seconds": [shortest_s, longest_s], "peak_mb": peak_mb, "mb": dict(rows),
    })  # fmt: skip


class Visitor:
    """A page that opens clip after clip, decodes stages and swaps a cell."""

    def __init__(self, address: str, model: str, folder: Path, span_s: tuple[float, float], chance: random.Random):
        self.page, self.folder, self.span_s, self.chance = Page(address), folder, span_s, chance
        self.model, self.token = self.page.model(model), None

    def visit(self) -> None:
        path = self.folder / "clip.wav"
        audio_io.save(path, own_clip(RATE, self.chance.uniform(*self.span_s), self.chance), RATE)
        value = self.page.open(path, self.model)
        self.token, n = value["token"], len(value["spec"]["stages"])
        for stages in (list(range(n)), sorted(self.chance.sample(range(n), self.chance.randint(1, n)))):
            self.page.ask("decode", token=self.token, stages=stages)
        self.page.ask("swap", token=self.token, row=0, column=0, index=self.chance.randrange(16))


if __name__ == "__main__":
    tyro.cli(main)
