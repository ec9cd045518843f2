"""The notebooks run in the test suite wherever the dataset is."""

import os
from pathlib import Path

from vqaudio.data import fsdd
from vqaudio.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data" / "fsdd"
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))  # for the kernel
if SHARED.is_dir():
    os.environ.setdefault("VQAUDIO_DATA", str(SHARED))
try:
    fsdd.recordings()
    collect_ignore_glob = []
except InputError:
    collect_ignore_glob = ["*.ipynb"]


def pytest_report_header() -> str | None:
    """Say what is left out."""
    return "notebooks: skipped, because the FSDD recordings are not here" if collect_ignore_glob else None
