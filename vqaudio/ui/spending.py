"""What an action takes: seconds on the clock on the wall, and an estimate of the joules.

Each action works in one thread (`build` sets PyTorch to one thread an action), so that this thread's time on the processor is the
action's own, whoever else is served at the same moment. There is no counter that could tell several people's shares apart.
"""

import time
from dataclasses import dataclass

from vqaudio.energy.record import CORE_W, joules_in_words, of_processor_time
from vqaudio.ui import verbs

MODEL = f"{CORE_W:g} W for the time that one thread of the processor was busy"
WITH_CARD = f"{MODEL}; the graphics card is not counted"


@dataclass(frozen=True)
class Spent:
    """Seconds, and those of them in which the thread was busy."""

    seconds: float
    cpu_s: float

    def told(self, verb: str) -> dict:
        """For the page."""
        return {"verb": verb, "s": self.seconds, "joules": of_processor_time(self.cpu_s), "by": model()}

    def in_words(self) -> str:
        """A sentence's end: "0.31 s and about 1.1 J (estimated: ...)"."""
        return f"{self.seconds:.2f} s and about {joules_in_words(of_processor_time(self.cpu_s))} (estimated: {model()})"


def model() -> str:
    """What the estimate is by."""
    return MODEL if verbs.on_cpu() else WITH_CARD


class Clock:
    """`with Clock() as clock: ...`, in the thread that works; then `clock.spent`."""

    spent = Spent(0.0, 0.0)

    def __enter__(self) -> "Clock":
        self._began = time.perf_counter(), time.thread_time()
        return self

    def __exit__(self, *raised) -> None:
        self.spent = Spent(time.perf_counter() - self._began[0], time.thread_time() - self._began[1])
