"""training.json: a run's record of its settings, data and cost, for model cards."""

import json
import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

from vqaudio.files import replace_file
from vqaudio.provenance import recorded_command

FILE = "training.json"


@dataclass(frozen=True)
class RunFacts:
    """Settings and data of a run.

    Attributes:
        settings: of its recipe, such as {"codec": {"sample_rate": 8000}}.
        data: see `data.facts`.
        start_from: the model that it starts from, and that model's training data; None for random weights.
        recipe: name of the recipe that the settings started from.
        data_folder: the dataset's folder; None for its default one.
        fingerprint: of the data, see `data.fingerprint`.
        changes_steps: whether a resumed run may have another number of steps than before.
    """

    settings: dict = field(default_factory=dict)
    data: dict = field(default_factory=dict)
    start_from: dict | None = None
    recipe: str = ""
    data_folder: Path | None = None
    fingerprint: str = ""
    changes_steps: bool = False


def describe_run(folder: Path, steps: int, facts: RunFacts, device: torch.device, processes: int, seconds: float, energy) -> None:
    """Write training.json, also for a run that is stopped early."""
    described = {
        "command": recorded_command(), "steps": steps, "seconds": seconds, "processes": processes,
        "threads": torch.get_num_threads(), "device": device_name(device), "torch": torch.__version__,
        "finished": time.strftime("%Y-%m-%d"), "data": facts.data,
    }
    described |= {"start_from": facts.start_from} if facts.start_from else {}
    described |= {"energy": energy} if energy else {}
    replace_file(folder / FILE, lambda path: path.write_text(json.dumps(described, indent=1) + "\n"))


def device_name(device: torch.device) -> str:
    """The name of a graphics card, or the number and kind of the CPU's cores."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {os.cpu_count()} cores, {platform.machine()}"
