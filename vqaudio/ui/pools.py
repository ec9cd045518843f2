"""Worker pools that serve sessions in turn, so that none holds up the others.

A session is one open page or one program. Each has its own queue, bounded in length; a free worker takes the first task of the
session whose turn it is, and that session goes to the end. Sessions without a running task come before those with one. Waiting
costs no thread. There are two pools: `computing` for work that takes a moment (decoding, encoding, drawing, exporting), and
`sampling` for priors, which take seconds.
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
SAMPLERS = min(4, max(1, CORES - 1))  # leaves one core free; each may be a separate process with its own models
NICE = 5  # of background workers
NEWEST = 0.3  # weight of the newest duration in the running average
EARLY = 0.1  # below this share of a task, the average predicts the time left better than the task's own progress

session: contextvars.ContextVar[str] = contextvars.ContextVar("session", default="")


class Task:
    """Work that is waiting, running or finished.

    Attributes:
        session: the session that submitted it.
        kind: shared by tasks that take about as long.
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
        """Do the work in the context it was submitted from; returns whether it succeeded."""
        try:
            self.future.set_result(self._run(self._work))
        except BaseException as error:
            self.future.set_exception(error)
        self._run = self._work = None  # free what they hold
        return self.future.exception() is None


class Pool:
    """Workers that serve sessions in turn.

    Args:
        name: of its threads.
        workers: tasks that run at a time.
        running: tasks of one session that run at a time.
        waiting: tasks of one session that may wait.
        most_waiting: tasks of all sessions that may wait.
        queue_full: the error for a session whose queue is full.
        background: whether its threads yield the processor to all others.
        clock: seconds, for tests.
    """

    def __init__(
        self, name: str, workers: int, running: int, waiting: int, most_waiting: int, queue_full: str,
        background: bool = False, clock: Callable[[], float] = time.monotonic,
    ):
        self.workers, self.running, self.waiting, self.most_waiting = workers, running, waiting, most_waiting
        self._queue_full, self._clock = queue_full, clock
        self._threads = ThreadPoolExecutor(workers, name, initializer=_yield_to_others if background else None)
        self._lock = threading.Lock()
        self._queues: OrderedDict[Hashable, deque[Task]] = OrderedDict()  # the session whose turn is next first; none is empty
        self._running: list[Task] = []
        self._usual_s: dict[Hashable, float] = {}

    def submit(
        self, session: Hashable, work: Callable[[], object], kind: Hashable = None, share: Callable[[], float] = float
    ) -> Task:
        """Queue `work` for this session's turn.

        Args:
            session: the session that submits it.
            kind: tasks of one kind take about as long; their average gives the estimates.
            share: returns how much of the work is done, 0 to 1.

        Raises:
            InputError: the session's queue is full, or too many tasks wait in all.
        """
        task = Task(session, work, kind, share)
        with self._lock:
            if len(self._queues.get(session, ())) >= self.waiting:
                raise InputError(self._queue_full)
            if sum(map(len, self._queues.values())) >= self.most_waiting:
                raise InputError("Too many people are using this app right now. Try again in a minute.")
            self._queues.setdefault(session, deque()).append(task)
            for other in self._running:
                if other.session in self._queues:
                    self._queues.move_to_end(other.session)
            self._start()
        return task

    def withdraw(self, task: Task) -> bool:
        """Remove a task from its queue; returns False if it is not waiting."""
        with self._lock:
            queue = self._queues.get(task.session, ())
            if task not in queue:
                return False
            queue.remove(task)
            if not queue:
                del self._queues[task.session]
        task.future.cancel()
        return True

    def position(self, task: Task) -> int:
        """How many waiting tasks come before this one; 0 if it is not waiting."""
        with self._lock:
            order = self._order()
            return order.index(task) if task in order else 0

    def seconds_left(self, task: Task) -> float | None:
        """Estimate when a task will be done, from earlier tasks of its kind.

        Returns:
            seconds; None if no task of its kind has finished yet, or this one has ended.
        """
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
        """All waiting tasks, in the order in which they will start."""
        rounds = itertools.zip_longest(*self._queues.values())
        return [task for tasks in rounds for task in tasks if task is not None]

    def _start(self) -> None:
        while len(self._running) < self.workers and (task := self._next()):
            task.started_at = self._clock()
            self._running.append(task)
            self._threads.submit(self._work, task)

    def _next(self) -> Task | None:
        """Take the next task of the first session below its limit; move the session last."""
        for session, queue in self._queues.items():
            if sum(task.session == session for task in self._running) < self.running:
                del self._queues[session]
                task = queue.popleft()
                if queue:
                    self._queues[session] = queue
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
    """Lower this thread's priority; only Linux has one for each thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


computing = Pool(
    "compute", workers=max(2, CORES) + 1, running=max(2, CORES), waiting=32, most_waiting=400,
    queue_full="This page sent too many requests at once. Wait a moment, then try again.",
)
sampling = Pool(
    "sample", workers=SAMPLERS, running=1, waiting=1, most_waiting=60, background=True,
    queue_full="You have one job running and one waiting. Wait until one of them is done, or cancel it.",
)
