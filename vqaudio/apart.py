"""Verbs in separate processes, so that sampling and serving share no Python lock.

A sampler makes thousands of small tensors. In the process of a busy server, it waited longer for Python's lock after each of them
than it took to make one.
"""

import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from vqaudio.errors import InputError

STEP_EVERY_S = 0.1  # progress is reported this often
_free: queue.LifoQueue["Helper"] = queue.LifoQueue()
_started = threading.Event()
_elsewhere = threading.local()


def start(helpers: int) -> None:
    """Let verbs run in this many processes, which start now."""
    if not started():
        _started.set()
        for _ in range(helpers):
            helper = Helper()
            helper.start()
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
        self.process, self.pipe = None, None

    def start(self) -> None:
        """Start the process unless it runs."""
        if self.process is None or not self.process.is_alive():
            context = multiprocessing.get_context("fork" if _can_fork() else "spawn")
            self.pipe, theirs = context.Pipe()
            self.process = context.Process(target=_serve, args=(theirs, self.pipe), daemon=True)
            self.process.start()
            theirs.close()

    def run(self, name: str, sent: tuple, on_step: Callable | None) -> Any:
        """See `run`."""
        self.start()
        stop = None
        try:
            self.pipe.send((name, sent, on_step is not None))
            while (answer := self.pipe.recv())[0] == "step":
                if stop is None:
                    stop = _raised_by(on_step, answer[1])
                    if stop is not None:
                        self.pipe.send("stop")
        except (OSError, EOFError):
            self.process.kill()
            self.process.join()
            raise InputError("The process that samples has ended. Try again.") from None
        return _result(*answer, stop)


def _can_fork() -> bool:
    """Whether a fork is safe: on Linux, and before there is another thread. It shares the memory of imported libraries."""
    return sys.platform == "linux" and threading.active_count() == 1


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


def _serve(pipe: Connection, other_end: Connection) -> None:
    """Answer requests until the other process ends."""
    other_end.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the app, and this process with it
    import torch

    from vqaudio import verbs  # noqa: F401 - slow, so that it is done before the first request

    torch.set_num_threads(1)
    waiting, stop = queue.SimpleQueue(), threading.Event()
    threading.Thread(target=_listen, args=(pipe, waiting, stop), daemon=True).start()
    while True:
        pipe.send(_answer(*waiting.get(), stop, pipe))


def _listen(pipe: Connection, waiting: queue.SimpleQueue, stop: threading.Event) -> None:
    """Queue requests; the word "stop" is for the one that was read last."""
    try:
        while True:
            request = pipe.recv()
            if request == "stop":
                stop.set()
            else:
                stop.clear()
                waiting.put(request)
    except (OSError, EOFError):
        os._exit(0)


def _answer(name: str, sent: tuple, live: bool, stop: threading.Event, pipe: Connection) -> tuple[str, Any, float]:
    from vqaudio import verbs

    steps = {"on_step": _Steps(stop, pipe)} if live else {}
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

    def __init__(self, stop: threading.Event, pipe: Connection):
        self.stop, self.pipe, self.sent_at = stop, pipe, 0.0

    def __call__(self, *progress) -> None:
        if self.stop.is_set():
            raise Stopped
        if time.monotonic() - self.sent_at >= STEP_EVERY_S:
            self.sent_at = time.monotonic()
            self.pipe.send(("step", progress))
