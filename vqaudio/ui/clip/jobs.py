"""Sampling in the background: the page starts a job, asks how far it is, and may cancel it.

Polling, not Gradio's queue: a question takes some milliseconds instead of some hundred, and cancelling needs no event of
its own. Two jobs run at a time; the others wait their turn, first come, first served.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from torch import Tensor

from vqaudio.errors import InputError
from vqaudio.ui.clip.store import Store
from vqaudio.ui.spending import Clock

AT_ONCE = 2
MAX_WAITING = 40
FORGOTTEN_S = 120.0  # a browser lets a page in the background run once a minute
_log = logging.getLogger(__name__)
_workers = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="prior")
_waiting: list["Job"] = []
_lock = threading.Lock()
store = Store(keep_s=20 * 60)


class Cancelled(Exception):
    """Raised inside the sampling of a job that nobody wants any more."""


class Job:
    """One press of a button.

    Args:
        work: called in a thread with the job; it calls `step` as it goes and `add` for each result.
        total: how many results are to come.
        owner: of whom only one job is to be at work at a time; None for nobody.

    Attributes:
        state: waiting, running, done, cancelled or failed.
        share: of the work that is done, 0 to 1.
        results: those that are there, each with `n_bytes` and `told()`, what the page is told of it.
        opened: what the page is told of each result before anything of it is there.
        spent: what it took, as the page is told; None until it has ended.
        asked_at: when the page last asked how far it is, on the clock `time.monotonic`.
        now: the number of steps made so far, the number of the result at work, and the indices [K, T] after the last step;
            -1 is not decided yet.
    """

    def __init__(self, work: Callable[["Job"], None], total: int, owner=None):
        self._work, self.total, self.owner = work, total, owner
        self.state, self.share, self.error = "waiting", 0.0, ""
        self.spent: dict | None = None
        self.results: list = []
        self.opened: list[dict] = []
        self.now: tuple[int, int, Tensor | None] = (0, 0, None)
        self.asked_at = time.monotonic()
        self._stop = threading.Event()

    @property
    def n_bytes(self) -> int:
        return sum(result.n_bytes for result in list(self.results))

    @property
    def busy(self) -> bool:
        return self.state in ("waiting", "running")

    @property
    def before(self) -> int:
        """How many jobs wait in front of this one."""
        with _lock:
            return _waiting.index(self) if self in _waiting else 0

    def step(self, done: int, total: int, ids: Tensor) -> None:
        """Some of the present result is there. Raises Cancelled if the job was cancelled."""
        self.check()
        self.share = (len(self.results) + done / max(1, total)) / self.total
        self.now = (self.now[0] + 1, len(self.results), ids)

    def check(self) -> None:
        """Raises Cancelled if the job was cancelled, or the page that asked for it was closed."""
        if self._stop.is_set() or time.monotonic() - self.asked_at > FORGOTTEN_S:
            raise Cancelled

    def add(self, result) -> None:
        self.now = (self.now[0], len(self.results), None)
        self.results.append(result)
        self.share = len(self.results) / self.total

    def cancel(self) -> None:
        self._stop.set()
        with _lock:
            if self in _waiting:
                _waiting.remove(self)
                self.state = "cancelled"

    def run(self) -> None:
        with _lock:
            if self not in _waiting:
                return
            _waiting.remove(self)
            self.state = "running"
        with Clock() as clock:
            ended = self._worked()
        self.spent = clock.spent.told("prior")
        self.state = ended

    def _worked(self) -> str:
        """Do the work; returns the state in which it ended."""
        try:
            self._work(self)
        except Cancelled:
            return "cancelled"
        except InputError as error:
            self.error = str(error)
            return "failed"
        except Exception:
            _log.exception("a sampling job failed")
            self.error = "Something went wrong while sampling. The clip is unharmed; the fault was logged."
            return "failed"
        return "done"


def start(job: Job) -> str:
    """Put a job to work; returns its token. Raises InputError: its owner has one at work, or too many wait."""
    with _lock:
        running = [other for _, other in store.things() if other.busy]
        if job.owner is not None and any(other.owner == job.owner for other in running):
            raise InputError("This clip is being filled already: wait until it is done, or cancel it.")
        if len(_waiting) >= MAX_WAITING:
            raise InputError("Too many people are filling clips at this moment: try again in a minute.")
        _waiting.append(job)
        token = store.put(job)
    _workers.submit(job.run)
    return token
