"""Sampling in the background: the page starts a job, asks for its progress, and may cancel it.

Polling, not Gradio's queue: a question takes some milliseconds instead of some hundred, and cancelling needs no event of
its own. Jobs run in the pool `pools.sampling`, which serves sessions in turn: one running and one waiting job each.
"""

import logging
import threading
import time
from collections.abc import Callable, Hashable

from torch import Tensor

from vqaudio.errors import InputError
from vqaudio.ui import pools
from vqaudio.ui.clip.store import JOB_BYTES, Store
from vqaudio.ui.spending import Clock

FORGOTTEN_S = 120.0  # a browser lets a page in the background run once a minute
_log = logging.getLogger(__name__)
store = Store(keep_s=20 * 60, max_bytes=JOB_BYTES)


class Cancelled(Exception):
    """Raised inside the sampling of a job that nobody wants any more."""


class Job:
    """One press of a button.

    Args:
        work: called in a thread with the job; it calls `step` as it goes and `add` for each result.
        total: how many results are to come.
        kind: what it has in common with jobs that take about as long, such as the verb and the prior.

    Attributes:
        state: waiting, running, done, cancelled or failed.
        share: of the work that is done, 0 to 1.
        results: those that are there, each with `n_bytes` and `told()`, what the page is told of it.
        opened: what the page is told of each result before anything of it is there.
        spent: what it took, as the page is told; None until it has ended.
        asked_at: when the page last asked for the progress, on the clock `time.monotonic`.
        now: the number of steps made so far, and the indices [K, T] of each result at work after the last step; -1 is not
            decided yet.
    """

    def __init__(self, work: Callable[["Job"], None], total: int, kind: Hashable = None):
        self._work, self.total, self.kind = work, total, kind
        self.state, self.share, self.error = "waiting", 0.0, ""
        self.spent: dict | None = None
        self.results: list = []
        self.opened: list[dict] = []
        self.now: tuple[int, list[Tensor]] = (0, [])
        self.asked_at = time.monotonic()
        self.task: pools.Task | None = None
        self._stop = threading.Event()

    @property
    def n_bytes(self) -> int:
        return sum(result.n_bytes for result in list(self.results))

    @property
    def busy(self) -> bool:
        return self.state in ("waiting", "running")

    @property
    def place(self) -> int:
        """How many jobs that wait come before this one."""
        return pools.sampling.position(self.task) if self.task else 0

    @property
    def seconds_left(self) -> float | None:
        """An estimate of when it will be done; None where nothing like it was measured yet."""
        return pools.sampling.seconds_left(self.task) if self.task and self.busy else None

    def step(self, done: int, total: int, ids: list[Tensor]) -> None:
        """Report progress on the results to come, which are made together. Raises Cancelled if the job was cancelled."""
        self.check()
        made = len(self.results)
        self.share = (made + (self.total - made) * done / max(1, total)) / self.total
        self.now = (self.now[0] + 1, ids)

    def check(self) -> None:
        """Raises Cancelled if the job was cancelled, or the page that asked for it was closed."""
        if self._stop.is_set() or time.monotonic() - self.asked_at > FORGOTTEN_S:
            raise Cancelled

    def add(self, result) -> None:
        self.now = (self.now[0], [])
        self.results.append(result)
        self.share = len(self.results) / self.total

    def cancel(self) -> None:
        self._stop.set()
        if self.task and pools.sampling.withdraw(self.task):
            self.state = "cancelled"

    def run(self) -> None:
        """Do the work. Raises what ended it early, after `state` and `error` say so."""
        self.state, ended = "running", "done"
        try:
            with Clock() as clock:
                self.check()
                self._work(self)
        except Cancelled:
            ended = "cancelled"
            raise
        except InputError as error:
            ended, self.error = "failed", str(error)
            raise
        except Exception:
            _log.exception("a sampling job failed")
            ended, self.error = "failed", "Something went wrong while sampling. The clip is unharmed; the fault was logged."
            raise
        finally:
            self.spent, self._work = clock.spent.to_json("prior"), None  # what the work holds is not needed any more
            self.state = ended


def start(job: Job) -> str:
    """Put a job in its session's line; returns its token. Raises InputError as `pools.Pool.submit` does."""
    job.task = pools.sampling.submit(pools.session.get(), job.run, job.kind, lambda: job.share)
    return store.put(job)
