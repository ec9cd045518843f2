"""The app under load: many simulated users in threads, the app in its own process.

Each user has its own clip and repeatedly opens it on the page, switches to random stages (so that nothing is cached), lets a
prior fill a gap, and calls the endpoints through gradio_client. Every answer is checked against the codec's output for that
user's clip in this process: an answer that belongs to another user counts as crossed. Times are wall-clock times, because that is
how long a person waits; they mean little unless the machine is otherwise idle.
    python -m benchmarks.app_load --json benchmarks/results/app_load.json
"""

import base64
import hashlib
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import torch
import tyro
from gradio_client import Client, handle_file

from benchmarks.measure import table, write_json
from vqaudio import audio as audio_io
from vqaudio.ui import models

ROOT = Path(__file__).resolve().parent.parent
TO_REACH_MS = {  # (p50, p95)
    "fill a hole, four times": (6000, 12000), "toggle a stage": (None, 300), "open the page": (None, 3000),
}  # fmt: skip
READY_S = 3
LOAD_BEFORE = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def main(
    users: int = 20, rounds: int = 3, toggles: int = 8, think_s: float = 1.0, seconds: float = 3.0, model: str = "",
    greedy: int = 0, seed: int = 0, json: Path | None = None,
) -> None:
    """Print errors, crossed results, times and memory of the app under load.
        users: number of simultaneous users.
        rounds: of opening, toggling, filling and calling the endpoints, for each user.
        toggles: of stages in a round.
        think_s: mean thinking time in seconds before each press; uniform from 0 to twice that.
        seconds: length of each user's clip, made of the example clips in a row.
        model: a codec of the app; empty for the default.
        greedy: pages that keep asking for 40 fills and 60 decoded sounds at once.
        seed: of the clips, the stages and the thinking times.
        json: also write the numbers to this file.
    """
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as (address, process, startup_s):
        name = Page(address).model(model)
        crowd = [User(number, address, name, Path(folder), seconds, random.Random(seed + number)) for number in range(users)]
        first_s = crowd[0].first_visit()
        ready_s = browser_ready_s(address)
        others = [Greedy(users + n, address, name, Path(folder), seconds, random.Random(n)) for n in range(greedy)]
        started, over = time.perf_counter(), threading.Event()
        for other in others:
            threading.Thread(target=other.ask_for_much, args=(over,), daemon=True).start()
        at_once([partial(user.run, rounds, toggles, think_s) for user in crowd])
        over.set()
        taken_s = time.perf_counter() - started
        peak_mb = peak_megabytes(process.pid)
    tell(crowd, name, taken_s, startup_s, first_s, ready_s, peak_mb, json)


def browser_ready_s(address: str, visits: int = 3) -> float | None:
    """Median seconds from navigation until the page can play, in a new browser; None without Chromium or Playwright."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if not chromium:
        return None
    times = []
    with sync_playwright() as playwright:
        for _ in range(visits):
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            page, started = browser.new_page(), time.perf_counter()
            page.goto(address)
            page.wait_for_function("document.body.dataset.vqReady === '1'")
            times.append(time.perf_counter() - started)
            browser.close()
    return statistics.median(times)


def at_once(tasks: list[Callable[[], object]]) -> None:
    """Run each task in a thread; return when all are done."""
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def tell(
    crowd: list["User"], model: str, taken_s: float, startup_s: float, first_s: float, ready_s: float | None,
    peak_mb: float | None, json: Path | None,
) -> None:
    times, errors = defaultdict(list), [error for user in crowd for error in user.errors]
    for user in crowd:
        for what, ms in user.times:
            times[what].append(ms)
    quantiles = {what: [float(np.quantile(ms, share)) for share in (0.5, 0.95)] for what, ms in times.items()}
    print(f"{len(crowd)} users of {model} for {taken_s:.0f} s on {os.cpu_count()} cores; load before: {LOAD_BEFORE:.1f}")
    rows = [(what, str(len(times[what])), *(f"{ms:.0f}" for ms in both)) for what, both in quantiles.items()]
    print(table(("", "times", "p50 ms", "p95 ms"), rows))
    crossed = sum(user.crossed for user in crowd)
    print(f"errors: {len(errors)}; crossed results: {crossed}; a page answers {startup_s:.1f} s after the start")
    memory = "not measured" if peak_mb is None else f"{peak_mb:.0f} MB"
    print(f"the first clip, for which the model is loaded, opens in {first_s:.1f} s; peak memory: {memory}")
    if ready_s is not None:
        print(f"alone, a page in a browser can play {ready_s:.1f} s after navigation; to reach {READY_S} s")
    for error in sorted(set(errors))[:8]:
        print(f"  {errors.count(error)} x {error}")
    for what, most in TO_REACH_MS.items():
        for name, ms, wanted in zip(("p50", "p95"), quantiles.get(what, ()), most):
            if wanted:
                print(f"{name} of {what}: {ms:.0f} ms, to reach {wanted} ms: {'reached' if ms <= wanted else 'MISSED'}")
    write_json(json, {
        "model": model, "users": len(crowd), "to_reach_ms": TO_REACH_MS,
        "wall_s": round(taken_s, 1), "load_before": LOAD_BEFORE, "cores": os.cpu_count(),
        "errors": len(errors), "crossed": crossed, "startup_s": round(startup_s, 1), "first_clip_s": round(first_s, 1),
        "browser_ready_s": ready_s and round(ready_s, 2), "peak_mb": peak_mb,
        "ms": {w: {"n": len(times[w]), "p50": round(a), "p95": round(b)} for w, (a, b) in quantiles.items()},
    })  # fmt: skip


class Page:
    """The requests of a browser's page, through the queue or server functions."""

    def __init__(self, address: str):
        self.address, self.session = address, uuid.uuid4().hex
        self.http = httpx.Client(base_url=f"{address}/gradio_api", timeout=120)
        config = httpx.get(f"{address}/config", timeout=60).json()
        elements = {part["props"].get("elem_id"): part for part in config["components"]}
        self.codemap, self.models = elements["codemap"]["id"], [name for _, name in elements["model"]["props"]["choices"]]

    def model(self, wanted: str) -> str:
        return wanted or self.models[0]

    def ask(self, name: str, **data) -> dict:
        """Call a server function."""
        request = {"data": data, "fn_name": name, "component_id": self.codemap, "session_hash": self.session}
        answer = self.http.post("/component_server", json=request).json()
        if not answer.get("ok"):
            raise RuntimeError(answer.get("error", str(answer)))
        return answer

    def open(self, path: Path, model: str) -> dict:
        """Upload a sound and open it: what the page draws."""
        found = self.http.post("/upload", files={"files": (path.name, path.read_bytes())}).json()
        return self.ask("open_file", path=found[0], model=model)["clip"]


class User:
    """One user with one clip."""

    def __init__(self, number: int, address: str, model: str, folder: Path, seconds: float, chance: random.Random):
        self.page, self.address, self.model, self.chance = Page(address), address, model, chance
        self.codec = models.codec(model)
        self.path = folder / f"user-{number}.wav"
        audio_io.save(self.path, own_clip(self.codec.sample_rate, seconds, chance), self.codec.sample_rate)
        audio, _ = audio_io.load(self.path, self.codec.sample_rate)
        codes = self.codec.encode(audio[None])
        self.ids = codes.ids[0].numpy()
        self.two_stages = self.codec.decode(codes, (0, 1))[0].clamp(-1, 1)
        self.times: list[tuple[str, float]] = []
        self.errors: list[str] = []
        self.crossed = 0

    def first_visit(self) -> float:
        """Open the clip before any model is loaded; returns seconds."""
        started = time.perf_counter()
        self.open()
        return time.perf_counter() - started

    def run(self, rounds: int, toggles: int, think_s: float) -> None:
        client = self.timed("open the page", lambda: Client(self.address, verbose=False))
        for _ in range(rounds):
            token = self.timed("open a clip", self.open)
            prior = self.timed("list the priors", lambda: self.page.ask("priors", model=self.model)["priors"])
            for _ in range(toggles):
                time.sleep(self.chance.uniform(0, 2 * think_s))
                self.timed("toggle a stage", lambda token=token: self.toggle(token))
            if prior:
                self.timed("fill a hole, four times", lambda token=token, prior=prior: self.fill(token, prior[0]["name"]))
            if client:
                self.timed("/encode", lambda: self.encode(client))
                self.timed("/reconstruct", lambda: self.reconstruct(client))

    def timed(self, what: str, do):
        started = time.perf_counter()
        try:
            done = do()
        except Exception as error:  # every failure is counted and printed
            self.errors.append(f"{what}: {error}")
            return None
        self.times.append((what, 1000 * (time.perf_counter() - started)))
        return done

    def check(self, own: bool) -> None:
        self.crossed += not own

    def open(self) -> str:
        value = self.page.open(self.path, self.model)
        self.check(np.array_equal(self.decoded(value["ids"]), self.ids))
        return value["token"]

    def toggle(self, token: str) -> None:
        n = len(self.codec.spec.stages)
        stages = sorted(self.chance.sample(range(n), self.chance.randint(1, n - 1)))
        answer = self.page.ask("decode", token=token, stages=stages, want=["sound"])
        self.check(answer["version"] == hashlib.sha256(self.ids.tobytes()).hexdigest()[:16])

    def fill(self, token: str, prior: str) -> None:
        hole = {"start_s": 0.4, "end_s": 0.6, "stages": f"2-{len(self.codec.spec.stages)}"}
        job = self.page.ask("fill", token=token, prior=prior, rectangles=[hole], settings={})["job"]
        while (answer := self.page.ask("progress", job=job, seen=0))["state"] in ("waiting", "running"):  # as shared/wire.js does
            time.sleep(0.12 if answer["state"] == "running" else min(2, max(0.3, (answer["left_s"] or 0) / 4)))
        if answer["state"] != "done":
            raise RuntimeError(answer["error_text"] or answer["state"])
        outside = np.ones_like(self.ids, dtype=bool)
        outside[1:, round(0.4 * self.codec.spec.frame_rate) : round(0.6 * self.codec.spec.frame_rate)] = False
        for variation in answer["results"]:
            self.check(np.array_equal(self.decoded(variation["ids"])[outside], self.ids[outside]))

    def encode(self, client: Client) -> None:
        _, response = client.predict(handle_file(str(self.path)), self.model, api_name="/encode")
        self.check(response["ids"] == self.ids.tolist())

    def reconstruct(self, client: Client) -> None:
        path = client.predict(handle_file(str(self.path)), "1-2", self.model, api_name="/reconstruct")
        sound, _ = audio_io.load(path, self.codec.sample_rate)
        self.check(sound.shape == self.two_stages.shape and float((sound - self.two_stages).abs().max()) < 1e-3)

    def decoded(self, text: str) -> np.ndarray:
        return np.frombuffer(base64.b64decode(text), "<u2").reshape(len(self.ids), -1).astype(np.int64)


class Greedy(User):
    """A page that asks for far more than a person could, all at once."""

    def ask_for_much(self, over: threading.Event) -> None:
        token, n = self.open(), len(self.codec.spec.stages)
        prior = self.page.ask("priors", model=self.model)["priors"][0]["name"]
        hole = {"start_s": 0.4, "end_s": 0.6, "stages": f"2-{n}"}
        fill = {"token": token, "prior": prior, "rectangles": [hole], "settings": {}}
        hear = [{"token": token, "stages": sorted(self.chance.sample(range(n), 1 + i % n)), "want": ["sound"]} for i in range(60)]
        while not over.is_set():
            asked = [("fill", fill)] * 40 + [("decode", data) for data in hear]
            at_once([partial(self.try_to, name, data) for name, data in asked])
            over.wait(2)

    def try_to(self, name: str, data: dict) -> None:
        with suppress(RuntimeError, httpx.HTTPError):  # most requests are refused
            self.page.ask(name, **data)


def own_clip(sample_rate: int, seconds: float, chance: random.Random) -> torch.Tensor:
    """The example clips, shuffled for this user and repeated: [1, N]."""
    paths = sorted((ROOT / "assets" / "examples").glob("*.wav"))
    chance.shuffle(paths)
    clips = [audio_io.read(path, sample_rate) for path in paths]
    joined = torch.cat(clips * (1 + int(seconds)), dim=1)
    start = chance.randrange(sample_rate // 4)
    return joined[:, start : start + round(seconds * sample_rate)]


@contextmanager
def running(folder: Path):
    """Run the app: its address, its process, and the seconds until its page answered."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(folder / "uploads")}
    address, started = f"http://127.0.0.1:{port}", time.perf_counter()
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=os.environ | settings, stdout=log, stderr=log)
        try:
            while not answers(address):
                if process.poll() is not None:
                    raise SystemExit(f"the app did not start: {(folder / 'log.txt').read_text()[-2000:]}")
                time.sleep(0.1)
            yield address, process, time.perf_counter() - started
        finally:
            process.terminate()
            process.wait(20)


def answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=60).status_code == 200
    except httpx.TransportError:
        return False


def peak_megabytes(process: int) -> float | None:
    """Peak resident memory of a process and those that it started, summed; None if the system does not report it (not Linux)."""
    kilobytes = [_kilobytes(one, "status")["VmHWM"] for one in _family(process)]
    return round(sum(kilobytes) / 1024) if kilobytes else None


def resident_megabytes(process: int) -> float | None:
    """Current memory of a process and those that it started, with what they share counted once; None if it is not reported."""
    parts = [_kilobytes(one, "smaps_rollup") for one in _family(process)]
    private = sum(part["Private_Clean"] + part["Private_Dirty"] for part in parts)
    shared = max((part["Shared_Clean"] + part["Shared_Dirty"] for part in parts), default=0)
    return round((private + shared) / 1024) if parts else None


def _family(process: int) -> list[int]:
    """A process and those that it started; empty where there is no /proc."""
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        started = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
    return [process, *(one for child in started for one in _family(child))]


def _kilobytes(process: int, file: str) -> dict[str, int]:
    """The sizes in one of a process's files in /proc."""
    fields = (line.split() for line in Path(f"/proc/{process}/{file}").read_text().splitlines())
    return {words[0].removesuffix(":"): int(words[1]) for words in fields if words[-1] == "kB"}


if __name__ == "__main__":
    tyro.cli(main)
