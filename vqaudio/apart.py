"""Verbs in separate processes, so that sampling and serving share no Python lock.

A sampler makes thousands of small tensors. In the process of a busy server, it waited longer for Python's lock after each of them
than it took to make one. `python -m vqaudio.apart` reads requests from its standard input and writes answers to its standard
output, both pickled, and ends when its input does.
"""

import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from vqaudio.errors import InputError

STEP_EVERY_S = 0.1  # progress is reported this often
QUIET = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": str(2**20)}  # glibc returns freed tensors to the system
_free: queue.LifoQueue["Helper"] = queue.LifoQueue()
_started = threading.Event()
_elsewhere = threading.local()


def start(helpers: int) -> None:
    """Let verbs run in this many processes.

    The first starts now, the others when they are needed.
    """
    if not started():
        _started.set()
        made = [Helper() for _ in range(helpers)]
        made[-1].start()
        for helper in made:
            _free.put(helper)


def started() -> bool:
    """Whether `start` was called."""
    return _started.is_set()


def run(name: str, sent: tuple, on_step: Callable | None = None) -> Any:
    """Run a verb in a free process, or the next that becomes free.

    Args:
        name: of the verb; `sent`: its arguments, see `vqaudio.verbs.sent`.
        on_step: called with its progress, ten times a second at most; an exception in it ends the verb.

    Raises:
        InputError: the verb raised it, or the process died.
    """
    helper = _free.get()
    try:
        return helper.run(name, sent, on_step)
    finally:
        _free.put(helper)


def processor_s() -> float:
    """Seconds of processor time that verbs of this thread took in other processes."""
    return getattr(_elsewhere, "seconds", 0.0)


class Helper:
    """A process that runs one verb at a time, replaced if it dies."""

    def __init__(self):
        self._process: subprocess.Popen | None = None

    def start(self) -> subprocess.Popen:
        """The process, started unless it runs."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "vqaudio.apart"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=QUIET | os.environ,
                cwd=Path(__file__).resolve().parent.parent,
            )
        return self._process

    def run(self, name: str, sent: tuple, on_step: Callable | None) -> Any:
        """See `run`."""
        process, stop = self.start(), None
        try:
            _write(process.stdin, (name, sent, on_step is not None))
            while (answer := _read(process.stdout))[0] == "step":
                if stop is None:
                    stop = _raised_by(on_step, answer[1])
                    if stop is not None:
                        _write(process.stdin, "stop")
        except (OSError, EOFError):
            process.kill()
            process.wait()
            raise InputError("The process that samples has ended. Try again.") from None
        return _result(*answer, stop)


def _raised_by(on_step: Callable, progress: tuple) -> BaseException | None:
    try:
        on_step(*progress)
    except BaseException as error:  # the process hears of it first
        return error
    return None


def _result(kind: str, content: Any, cpu_s: float, stop: BaseException | None) -> Any:
    _elsewhere.seconds = processor_s() + cpu_s
    if stop is not None:
        raise stop
    if kind == "refused":
        raise InputError(content)
    if kind == "failed":
        raise RuntimeError(content)
    return content


# --- the other end --------------------------------------------------------------------------------------------------------


class Stopped(Exception):
    """Raised in a verb whose result nobody wants any more."""


def serve() -> None:
    """Answer requests until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the app, and this process with it
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    import torch

    from vqaudio import verbs  # noqa: F401 - slow, so that it is done before the first request

    torch.set_num_threads(1)
    waiting, stop = queue.SimpleQueue(), threading.Event()
    threading.Thread(target=_listen, args=(requests, waiting, stop), daemon=True).start()
    while True:
        _write(answers, _answer(*waiting.get(), stop, answers))


def _listen(requests: BinaryIO, waiting: queue.SimpleQueue, stop: threading.Event) -> None:
    """Queue requests; the word "stop" is for the one that was read last."""
    try:
        while True:
            request = _read(requests)
            if request == "stop":
                stop.set()
            else:
                stop.clear()
                waiting.put(request)
    except (OSError, EOFError):
        os._exit(0)


def _answer(name: str, sent: tuple, live: bool, stop: threading.Event, answers: BinaryIO) -> tuple[str, Any, float]:
    from vqaudio import verbs

    steps = {"on_step": _Steps(stop, answers)} if live else {}
    start = time.thread_time()
    try:
        kind, content = "done", verbs.run_sent(name, sent, **steps)
    except Stopped:
        kind, content = "stopped", None
    except InputError as error:
        kind, content = "refused", str(error)
    except Exception as error:
        import traceback

        kind, content = "failed", "".join(traceback.format_exception(error))
    return kind, content, time.thread_time() - start


class _Steps:
    """The `on_step` of a verb in this process: sends its progress, and stops it on request."""

    def __init__(self, stop: threading.Event, answers: BinaryIO):
        self.stop, self.answers, self.sent_at = stop, answers, 0.0

    def __call__(self, *progress) -> None:
        if self.stop.is_set():
            raise Stopped
        if time.monotonic() - self.sent_at >= STEP_EVERY_S:
            self.sent_at = time.monotonic()
            _write(self.answers, ("step", progress))


def _write(to: BinaryIO, what: Any) -> None:
    data = pickle.dumps(what)
    to.write(struct.pack("<Q", len(data)) + data)
    to.flush()


def _read(source: BinaryIO) -> Any:
    length = source.read(8)
    data = source.read(struct.unpack("<Q", length)[0]) if len(length) == 8 else b""
    if not data:
        raise EOFError
    return pickle.loads(data)


if __name__ == "__main__":
    serve()
