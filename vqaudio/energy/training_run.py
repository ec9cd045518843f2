"""Energy of a training run across interruptions: the option `--loop.energy`."""

from pathlib import Path

from vqaudio.energy.record import Energy, Meter
from vqaudio.provenance import read_record


class RunMeter:
    """Meter a run from now on, and add it to the energy recorded before.

    Args:
        described: the run's training.json, with the energy of earlier stretches.
        start: the first step; at 0 the file is of another run and ignored.
        device: the device to meter; None to meter nothing and keep an earlier record as it is.
        region: see `Meter`.

    Raises:
        InputError: the meters are not installed, or the region is unknown.
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
        """Return the energy so far and the number of metered steps, if any."""
        if self._meter:
            lap = self._meter.lap()
            self._total = self._total + lap if self._total else lap
            self._steps += done - self._at
            self._at = done
        return self._total.to_json() | {"steps": self._steps} if self._total else None
