"""The cost of an action: wall-clock seconds, and an estimate of the joules.

Each action works in one thread (`build` sets PyTorch to one thread an action), so this thread's processor time belongs to the
action alone, however many people are served at that moment. No energy counter could separate them.
"""

import time
from dataclasses import dataclass

from vqaudio import apart
from vqaudio.energy.record import CORE_W, of_processor_time
from vqaudio.ui import verbs

MODEL = f"{CORE_W:g} W while one thread of the processor is busy"
WITH_GPU = f"{MODEL}; the GPU is not counted"


@dataclass(frozen=True)
class Cost:
    """Wall-clock seconds, and the seconds in which the thread was busy."""

    seconds: float
    cpu_s: float

    def to_json(self, verb: str) -> dict:
        """Return the seconds, the CPU seconds of one core, and the joules."""
        return {"verb": verb, "s": self.seconds, "cpu_s": self.cpu_s, "joules": of_processor_time(self.cpu_s), "by": model()}


def model() -> str:
    """How the energy is estimated."""
    return MODEL if verbs.on_cpu() else WITH_GPU


class Clock:
    """`with Clock() as clock: ...`, in the thread that works; then `clock.spent`."""

    spent = Cost(0.0, 0.0)

    def __enter__(self) -> "Clock":
        self._start = time.perf_counter(), _processor_s()
        return self

    def __exit__(self, *exception) -> None:
        self.spent = Cost(time.perf_counter() - self._start[0], _processor_s() - self._start[1])


def _processor_s() -> float:
    """Processor time of this thread, in seconds, and of the verbs that it had run in other processes."""
    return time.thread_time() + apart.processor_s()
