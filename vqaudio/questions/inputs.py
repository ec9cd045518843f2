"""The network's inputs for a whole folder, computed once and cached on disk."""

import hashlib
import io
from pathlib import Path

import numpy as np
import torch

from vqaudio import audio
from vqaudio.errors import InputError
from vqaudio.files import replace_file
from vqaudio.progress import bar
from vqaudio.questions.film import QuestionConfig, QuestionModel
from vqaudio.questions.layouts import Folder, Source

CACHE = Path("runs") / "pictures"
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp")
INPUT_FIELDS = ("sees", "height", "width", "inputs", "sample_rate", "scale", "column_s", "codec", "code_stages")


def inputs_of(folder: Folder, config: QuestionConfig, cache: Path = CACHE) -> np.ndarray:
    """Compute the network's inputs, or read them from the cache.

    Returns:
        float16 [files, H, W, inputs].

    Raises:
        InputError: a file is missing, damaged, silent, or of the wrong length; it says which.
    """
    if config.sees == "nothing":
        return np.zeros((len(folder.sources), config.height, config.width, config.inputs), np.float16)
    path = cache / f"{_key(folder, config)}.npy"
    if path.is_file():
        return np.load(path, mmap_mode="r")
    for source in folder.sources:
        check_there(source)
    model = QuestionModel(config)
    pictures = np.empty((len(folder.sources), config.height, config.width, config.inputs), np.float16)
    with bar("pictures", len(folder.sources), " pictures") as progress:
        for row, source in zip(pictures, folder.sources):
            row[:] = model.picture_of(read_source(source, config))[0].numpy()
            progress.update()
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, lambda temporary: _write(temporary, pictures))
    return np.load(path, mmap_mode="r")


def check_there(source: Source) -> None:
    """Raise InputError if this is a path without a file."""
    if isinstance(source, Path) and not source.is_file():
        raise InputError(f"{source} is missing. Copy the whole folder, or write the scenes again.")


def is_picture(path: Path) -> bool:
    """Whether a file's name ends like that of a picture."""
    return path.suffix.lower() in PICTURES


def read_source(source: Source, config: QuestionConfig) -> torch.Tensor:
    """Read a file for `QuestionModel.ask`: audio or a picture.

    Returns:
        audio [1, 1, N] in [-1, 1], or a picture [H, W, 3] in [0, 1].

    Raises:
        InputError: the file cannot be read.
    """
    check_there(source)
    if config.sees == "picture":
        return read_picture(source)
    return audio.load(source, config.sample_rate, max_seconds=config.longest_s)[0][None]


def read_picture(source: Source) -> torch.Tensor:
    """Read an RGB picture [H, W, 3] in [0, 1]. Raises InputError if it is not one."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as picture:
            return torch.from_numpy(np.asarray(picture.convert("RGB"), np.float32) / 255)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        name = source if isinstance(source, Path) else "A record"
        raise InputError(f"{name} is not a picture, or is damaged. Choose a PNG or JPEG file.") from None


def _write(path: Path, pictures: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, pictures)


def _key(folder: Folder, config: QuestionConfig) -> str:
    """Hash the files' names, sizes and times, and the settings of the inputs."""
    digest = hashlib.sha256(repr([getattr(config, name) for name in INPUT_FIELDS]).encode())
    for source in folder.sources:
        digest.update(source if isinstance(source, bytes) else f"{source.absolute()} {_facts(source)}\n".encode())
    return digest.hexdigest()[:24]


def _facts(path: Path) -> tuple[int, int] | None:
    return (path.stat().st_size, path.stat().st_mtime_ns) if path.is_file() else None
