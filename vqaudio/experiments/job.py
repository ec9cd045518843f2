"""A job: one run of an experiment, and where and on what it trains."""

from dataclasses import dataclass
from pathlib import Path

from vqaudio.experiments.plan import Run


@dataclass(frozen=True)
class Job:
    """A run, its folder and its data; small, because it is sent to other processes.

    Attributes:
        run: the run.
        folder: checkpoints, metrics.csv, the model and its measurements.
        data: the dataset's folder, or None for the default folder.
        device: auto, cpu, cuda or mps.
        threads: of the process; None keeps the default.
    """

    run: Run
    folder: Path
    data: Path | None = None
    device: str = "auto"
    threads: int | None = None

    @property
    def record_path(self) -> Path:
        """The file of measurements; each way of measuring has its own."""
        how = "".join(f"-{name}{value}" for name, value in sorted(self.run.measuring.items()))
        return self.folder / f"measured{how}.json"


class Failed(Exception):
    """A run failed to train or to be measured; the message is one sentence."""


class Stopped(Exception):
    """A run was stopped; it may have a checkpoint to continue from."""
