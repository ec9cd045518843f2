"""The log of a training run: metrics.csv and TensorBoard events."""

import csv
import time
from pathlib import Path

from torch import Tensor

from vqaudio.errors import InputError
from vqaudio.files import replace_file


class MetricsLog:
    """Writes metrics.csv, and TensorBoard events if asked.

    Resuming drops the rows after the checkpoint.
    """

    def __init__(self, folder: Path, start: int, tensorboard: bool):
        self.path, self.began = folder / "metrics.csv", time.monotonic()
        self.rows = []
        if self.path.exists() and start:
            with self.path.open(newline="") as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["step"]) <= start]
        self.spent_before_s = float(self.rows[-1]["seconds"]) if self.rows else 0.0
        self.board = None
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise InputError("TensorBoard is not installed: `pip install tensorboard`, or drop --loop.tensorboard.") from None
            self.board = SummaryWriter(folder / "tensorboard", purge_step=start)

    @property
    def spent_s(self) -> float:
        """Seconds of training so far, including those before a resumption."""
        return self.spent_before_s + time.monotonic() - self.began

    def write_sound(self, name: str, sound: Tensor, step: int, rate: int) -> None:
        if self.board:
            self.board.add_audio(name, sound, step, rate)

    def write(self, step: int, training: dict, validation: dict) -> None:
        row = {"step": step, "seconds": round(self.spent_s, 1)}
        row |= {f"train_{name}": f"{value:.6g}" for name, value in training.items()}
        row |= {f"validation_{name}": f"{value:.6g}" for name, value in validation.items()}
        self.rows.append(row)
        columns = list(dict.fromkeys(name for one in self.rows for name in one))
        replace_file(self.path, lambda path: self._write_rows(path, columns))
        if self.board:
            for name, value in row.items():
                self.board.add_scalar(name, float(value), step)

    def _write_rows(self, path: Path, columns: list[str]) -> None:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(self.rows)
