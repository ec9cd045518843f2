"""The notebooks run in the test suite wherever the data is that they read."""

import os
from pathlib import Path

from vqaudio.data.datasets import fsdd, mnist
from vqaudio.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
ON_MNIST = "02_*.ipynb"
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))  # for the kernel
for name, folder in (("VQAUDIO_DATA", "fsdd"), ("VQAUDIO_MNIST", "mnist")):
    if (SHARED / folder).is_dir():
        os.environ.setdefault(name, str(SHARED / folder))


def _is_here(find) -> bool:
    try:
        return bool(find())
    except InputError:
        return False


has_fsdd, has_mnist = _is_here(fsdd.recordings), _is_here(mnist.folder)
collect_ignore_glob = ([] if has_mnist else [ON_MNIST]) + ([] if has_fsdd else [f"0[!{ON_MNIST[1]}]_*.ipynb"])


def pytest_report_header() -> str | None:
    """Say what is left out."""
    left_out = [name for name, here in (("FSDD", has_fsdd), ("MNIST", has_mnist)) if not here]
    return f"notebooks: some skipped, because {' and '.join(left_out)} cannot be found here" if left_out else None
