"""Sampling in the background: the page starts a job, asks how far it is, and may cancel it.

Polling, not Gradio's queue: a question takes some milliseconds instead of some hundred, and cancelling needs no event of
its own. Two jobs run at a time; the others wait their turn, first come, first served.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from vqaudio.errors import InputError
from vqaudio.ui.sampling import Variation
from vqaudio.ui.store import Store

AT_ONCE = 2
MAX_WAITING = 12
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
    """

    def __init__(self, work: Callable[["Job"], None], total: int, owner=None):
        self._work, self.total, self.owner = work, total, owner
        self.state = "waiting"  # running, done, cancelled, failed
        self.share = 0.0
        self.error = ""
        self.variations: list[Variation] = []
        self._stop = threading.Event()

    @property
    def n_bytes(self) -> int:
        return sum(8 * v.ids.numel() * (3 + len(v.steps)) for v in list(self.variations))

    @property
    def busy(self) -> bool:
        return self.state in ("waiting", "running")

    @property
    def before(self) -> int:
        """How many jobs wait in front of this one."""
        with _lock:
            return _waiting.index(self) if self in _waiting else 0

    def step(self, done: int, total: int) -> None:
        """Some of the present result is there. Raises Cancelled if the job was cancelled."""
        if self._stop.is_set():
            raise Cancelled
        self.share = (len(self.variations) + done / max(1, total)) / self.total

    def add(self, variation: Variation) -> None:
        self.variations.append(variation)
        self.share = len(self.variations) / self.total

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
        try:
            self._work(self)
            self.state = "done"
        except Cancelled:
            self.state = "cancelled"
        except InputError as error:
            self.error, self.state = str(error), "failed"
        except Exception:
            _log.exception("a sampling job failed")
            self.error, self.state = "Something went wrong while sampling. The clip is unharmed; the fault was logged.", "failed"


def start(job: Job) -> str:
    """Put a job to work; returns its token. Raises InputError: its owner has one at work, or too many wait."""
    with _lock:
        running = [other for _, other in store.things() if other.busy]
        if job.owner is not None and any(other.owner is job.owner for other in running):
            raise InputError("This clip is being filled already: wait until it is done, or cancel it.")
        if len(_waiting) >= MAX_WAITING:
            raise InputError("Too many people are filling clips at this moment: try again in a minute.")
        _waiting.append(job)
        token = store.put(job)
    _workers.submit(job.run)
    return token
