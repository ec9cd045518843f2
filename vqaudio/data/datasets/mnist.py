"""MNIST: 70,000 handwritten digits of 28 by 28 grey pixels.

LeCun, Cortes and Burges. A first check of the quantiser on data that can be seen: `notebooks/02_quantiser.ipynb`. Four gzipped
files in the idx format; the checksums are over the unpacked data, because servers gzip it differently.
"""

import gzip
import hashlib
import os
import struct
import zlib
from pathlib import Path

import torch
from torch import Tensor

from vqaudio.data.datasets import fsdd
from vqaudio.data.download import fetch
from vqaudio.errors import InputError
from vqaudio.files import replace_file

URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"
NAMES = {"train": "train", "test": "t10k"}
# SHA-256 of the unpacked files.
CHECKSUMS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
LARGEST = 48_000_000  # bytes unpacked; the training images have 47,040,016


def load_images(part: str, root: str | os.PathLike | None = None) -> tuple[Tensor, Tensor]:
    """Read "train" or "test" from a folder of the dataset's .gz files.

    Args:
        root: the folder; None: $VQAUDIO_MNIST, else the cache of `download`.

    Returns:
        images [n, 1, 28, 28] float32 in [0, 1], 0 for paper, and their digits: int64 [n], 0 to 9.

    Raises:
        InputError: no such part or folder, or a file that is not part of the dataset.
    """
    if part not in NAMES:
        raise InputError(f"MNIST has the parts {', '.join(NAMES)}; not {part!r}.")
    base = folder(root)
    images = _read(base / f"{NAMES[part]}-images-idx3-ubyte.gz", 3)
    labels = _read(base / f"{NAMES[part]}-labels-idx1-ubyte.gz", 1)
    if len(images) != len(labels):
        raise InputError(f"{base} holds {len(images):,} images and {len(labels):,} labels: not of one dataset.")
    return images[:, None].float() / 255, labels.long()


def folder(root: str | os.PathLike | None = None) -> Path:
    """Return the dataset's folder: `root`, $VQAUDIO_MNIST or the download cache."""
    given = root or os.environ.get("VQAUDIO_MNIST")
    base = Path(given) if given else cache_folder()
    missing = [name for name in CHECKSUMS if not (base / f"{name}.gz").is_file()]
    if missing and given:
        raise InputError(f"{base} holds no MNIST: {missing[0]}.gz is not there.")
    if missing:
        raise InputError("MNIST is not here yet: run `vqaudio download mnist`, or name its folder with VQAUDIO_MNIST.")
    return base


def cache_folder() -> Path:
    """Return the download cache: mnist/ in $VQAUDIO_CACHE or ~/.cache/vqaudio."""
    return fsdd.cache_folder().with_name("mnist")


def download(folder: Path | None = None, url: str = URL) -> Path:
    """Download the dataset (11 MB) with progress bars; return its folder.

    Skips files that are already there and correct.

    Args:
        folder: where to save it; None for the cache.
        url: the address of the files' folder.

    Raises:
        InputError: the address cannot be reached, or a checksum differs.
    """
    folder = folder or cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for name, wanted in CHECKSUMS.items():
        path = folder / f"{name}.gz"
        if path.is_file() and hashlib.sha256(_unpacked(path)).hexdigest() == wanted:
            continue
        arriving = path.with_name(f"{path.name}.part")
        try:
            fetch(f"{url}{path.name}", arriving)
            found = hashlib.sha256(_unpacked(arriving)).hexdigest()
            if found != wanted:
                raise InputError(
                    f"What {url}{path.name} gave is not the file that this project knows (its checksum is {found[:12]}...); "
                    "it was not kept."
                )
            replace_file(path, arriving.rename)
        finally:
            arriving.unlink(missing_ok=True)
    return folder


def _read(path: Path, dimensions: int) -> Tensor:
    """Read an idx file of bytes.

    Two zeros, 8 for bytes, the number of dimensions, each as a big-endian int32; then the data.
    """
    data = _unpacked(path)
    start = 4 + 4 * dimensions
    if data[:4] != bytes([0, 0, 8, dimensions]) or len(data) < start:
        raise InputError(f"{path} is not MNIST's: it does not begin as an idx file of {dimensions} dimensions.")
    shape = struct.unpack(f">{dimensions}i", data[4:start])
    if min(shape) < 1 or torch.Size(shape).numel() != len(data) - start:
        raise InputError(f"{path} is damaged: its {len(data) - start:,} bytes are not {' x '.join(map(str, shape))}.")
    return torch.frombuffer(bytearray(data[start:]), dtype=torch.uint8).view(shape)


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            data = file.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} is damaged: {error}") from None
    if len(data) > LARGEST:
        raise InputError(f"{path} is not MNIST's: it unpacks to more than it should.")
    return data
