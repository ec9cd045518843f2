"""Worker pools that serve sessions in turn, so that nobody who asks for a lot holds up the others.

A session is one open page or one program. Each has its own line, bounded in length; a free worker takes the first task of the
session whose turn it is, and that session goes to the end. Waiting costs no thread. There are two pools: `computing` for all
that takes a moment (decoding, encoding, drawing, exporting), `sampling` for the priors, which take seconds.
"""

import contextvars
import heapq
import itertools
import os
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor

from vqaudio.errors import InputError

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
NICE = 5  # of the workers in the background, on Linux, where threads have a priority of their own
NEWEST = 0.3  # weight of the newest duration in the running average
EARLY = 0.1  # below this share of a task, the average says more about the time left than the task's own progress

session: contextvars.ContextVar[str] = contextvars.ContextVar("session", default="")


class Task:
    """Work that waits for its turn, runs, or has ended.

    Attributes:
        session: the session that asked for it.
        kind: what it has in common with tasks that take about as long.
        future: its result or exception.
        started_at: on the pool's clock; None while it waits.
    """

    def __init__(self, session: Hashable, work: Callable[[], object], kind: Hashable, share: Callable[[], float]):
        self.session, self.kind, self.share = session, kind, share
        self.future: Future = Future()
        self.started_at: float | None = None
        self._run = contextvars.copy_context().run
        self._work = work

    def run(self) -> bool:
        """Do the work, in the context of whoever asked for it; returns whether it succeeded."""
        try:
            self.future.set_result(self._run(self._work))
        except BaseException as error:
            self.future.set_exception(error)
        self._run = self._work = None  # what they hold is not needed any more
        return self.future.exception() is None


class Pool:
    """Workers that serve sessions in turn.

    Args:
        name: of its threads.
        workers: tasks that run at a time.
        running: tasks of one session that run at a time.
        waiting: tasks of one session that may wait.
        most_waiting: tasks of all sessions that may wait.
        own_line_full: what a session whose line is full is told.
        background: whether all other threads go first where the processor is busy.
        clock: seconds, for tests.
    """

    def __init__(
        self, name: str, workers: int, running: int, waiting: int, most_waiting: int, own_line_full: str,
        background: bool = False, clock: Callable[[], float] = time.monotonic,
    ):
        self.workers, self.running, self.waiting, self.most_waiting = workers, running, waiting, most_waiting
        self._own_line_full, self._clock = own_line_full, clock
        self._threads = ThreadPoolExecutor(workers, name, initializer=_yield_to_others if background else None)
        self._lock = threading.Lock()
        self._lines: OrderedDict[Hashable, deque[Task]] = OrderedDict()  # the session whose turn is next first; none is empty
        self._running: list[Task] = []
        self._usual_s: dict[Hashable, float] = {}

    def submit(
        self, session: Hashable, work: Callable[[], object], kind: Hashable = None, share: Callable[[], float] = float
    ) -> Task:
        """Have `work` done when it is this session's turn.

        Args:
            session: who asks.
            kind: tasks of one kind take about as long; their average is what is estimated.
            share: returns how much of the work is done, 0 to 1.

        Raises:
            InputError: the session's line is full, or too many tasks wait in all.
        """
        task = Task(session, work, kind, share)
        with self._lock:
            if len(self._lines.get(session, ())) >= self.waiting:
                raise InputError(self._own_line_full)
            if sum(map(len, self._lines.values())) >= self.most_waiting:
                raise InputError("Too many people are using this app right now. Try again in a minute.")
            self._lines.setdefault(session, deque()).append(task)
            self._start()
        return task

    def withdraw(self, task: Task) -> bool:
        """Take a task out of its line; returns False if it does not wait any more."""
        with self._lock:
            line = self._lines.get(task.session, ())
            if task not in line:
                return False
            line.remove(task)
            if not line:
                del self._lines[task.session]
        task.future.cancel()
        return True

    def place(self, task: Task) -> int:
        """How many waiting tasks come before this one; 0 if it does not wait."""
        with self._lock:
            order = self._order()
            return order.index(task) if task in order else 0

    def seconds_left(self, task: Task) -> float | None:
        """When a task is likely to be done, from how long tasks of its kind took; None if none was done yet, or it has ended."""
        with self._lock:
            if task in self._running:
                return self._rest_s(task)
            order = self._order()
            if task not in order:
                return None
            ahead = order[: order.index(task) + 1]
            rests = [self._rest_s(other) for other in self._running]
            expected = [self._usual_s.get(other.kind) for other in ahead]
        if None in rests or None in expected:
            return None
        free = sorted(rests + [0.0] * (self.workers - len(rests)))
        for seconds in expected:
            end = heapq.heappushpop(free, free[0] + seconds) + seconds
        return end

    def _rest_s(self, task: Task) -> float | None:
        spent, share, usual = self._clock() - task.started_at, task.share(), self._usual_s.get(task.kind)
        if share >= EARLY:
            return spent * (1 - share) / share
        return None if usual is None else max(0.0, usual - spent)

    def _order(self) -> list[Task]:
        """All tasks that wait, in the order in which they will start."""
        rounds = itertools.zip_longest(*self._lines.values())
        return [task for tasks in rounds for task in tasks if task is not None]

    def _start(self) -> None:
        while len(self._running) < self.workers and (task := self._next()):
            task.started_at = self._clock()
            self._running.append(task)
            self._threads.submit(self._work, task)

    def _next(self) -> Task | None:
        """Take the first task of the first session that may have one more running, and put that session last."""
        for session, line in self._lines.items():
            if sum(task.session == session for task in self._running) < self.running:
                del self._lines[session]
                task = line.popleft()
                if line:
                    self._lines[session] = line
                return task
        return None

    def _work(self, task: Task) -> None:
        succeeded = task.run()
        with self._lock:
            self._running.remove(task)
            if succeeded:
                took = self._clock() - task.started_at
                self._usual_s[task.kind] = took + (1 - NEWEST) * (self._usual_s.get(task.kind, took) - took)
            self._start()


def _yield_to_others() -> None:
    """Let the threads that answer at once go first; other systems than Linux have one priority a process."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


computing = Pool(
    "compute", workers=max(2, CORES) + 1, running=max(2, CORES), waiting=32, most_waiting=400,
    own_line_full="This page asks for too much at once. Wait a moment, then try again.",
)
sampling = Pool(
    "sample", workers=max(2, CORES), running=1, waiting=1, most_waiting=60, background=True,
    own_line_full="You have one job running and one waiting. Wait until one of them is done, or cancel it.",
)
