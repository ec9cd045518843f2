"""Ctrl-C and SIGTERM in training: stop after the current step."""

import signal
import threading


class StopRequest:
    """Defer the first Ctrl-C or SIGTERM to the end of the step.

    A second one ends the process.
    """

    def __init__(self):
        self.asked, self._before = False, {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():  # only the main thread may set handlers
            self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _ask(self, number, frame):
        self.asked = True
        signal.signal(number, signal.SIG_DFL)
