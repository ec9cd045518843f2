"""The energy of a training run, over its interruptions: the option `--loop.energy`."""

from pathlib import Path

from vqaudio.energy.record import Energy, Meter
from vqaudio.provenance import read_record


class RunMeter:
    """Meters a run from now on, on top of what was recorded of it before.

    Args:
        described: the run's training.json, where earlier stretches are recorded.
        start: steps made before; at 0 what the file says is of another run.
        device: what is metered; None for nothing: then the earlier record, if there is one, is kept as it is.

    Raises:
        InputError: the meters are not installed, or the region is not known.
    """

    def __init__(self, described: Path, start: int, device: str | None, region: str | None):
        before = (read_record(described.parent, described.name) or {}).get("energy") if start else None
        self._total = Energy.from_json(before) if before else None
        self._steps, self._at = min(before["steps"], start) if before else 0, start
        self._meter = Meter(device, region) if device else None
        if self._meter:
            for remark in self._meter.remarks:
                print(remark)
            self._meter.__enter__()

    def record(self, done: int) -> dict | None:
        """The energy so far and how many of the `done` steps it is of; None where nothing was ever metered."""
        if self._meter:
            lap = self._meter.lap()
            self._total = self._total + lap if self._total else lap
            self._steps += done - self._at
            self._at = done
        return self._total.to_json() | {"steps": self._steps} if self._total else None
