"""The Free Spoken Digit Dataset (Jackson et al.): six speakers say ten digits fifty times each, at 8 kHz. CC BY-SA 4.0.

Files are named `{digit}_{speaker}_{take}.wav`. The official test split is takes 0 to 4; takes 5 to 9 of the rest are the
validation part here, and takes 10 to 49 are for training.
"""

import hashlib
import os
import re
import shutil
import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path

import soundfile
import torch

from vqaudio.data.clips import Clip, Split
from vqaudio.errors import InputError

SAMPLE_RATE = 8000
DIGITS = tuple("0123456789")
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
TAKES = {"test": range(0, 5), "validation": range(5, 10), "train": range(10, 50)}
LICENCE = "CC BY-SA 4.0, Free Spoken Digit Dataset, https://github.com/Jakobovski/free-spoken-digit-dataset"
_NAME = re.compile(r"^(\d)_([a-z]+)_(\d+)\.wav$")


def load_split(split: str, root: str | os.PathLike | None = None) -> Split:
    """Read "train", "validation" or "test" from a folder of the dataset's WAV files.

    Args:
        root: the dataset's folder (with or without its `recordings/`); None: $VQAUDIO_DATA, else the cache of `download`.

    Raises:
        InputError: no such split or folder, or a file in it that is not the dataset's.
    """
    if split not in TAKES:
        raise InputError(f"FSDD has the splits {', '.join(TAKES)}; not {split!r}.")
    clips = []
    for path in sorted(recordings(root).glob("*.wav")):
        match = _NAME.match(path.name)
        if match and int(match[3]) in TAKES[split]:
            clips.append(Clip(_read(path), path.stem, {"digit": match[1], "speaker": match[2]}))
    if not clips:
        raise InputError(f"{recordings(root)} holds no clip of FSDD's {split} split.")
    return Split(tuple(clips), SAMPLE_RATE, {"digit": DIGITS, "speaker": SPEAKERS})


def recordings(root: str | os.PathLike | None = None) -> Path:
    """The folder that holds the dataset's WAV files: `root`, $VQAUDIO_DATA, or the download's cache, the first that is given."""
    given = root or os.environ.get("VQAUDIO_DATA")
    base = Path(given) if given else cache_folder()
    for folder in (base, base / "recordings", base / "fsdd" / "recordings"):
        if next(folder.glob("[0-9]_*_[0-9]*.wav"), None):
            return folder
    if given:
        raise InputError(f"{base} holds no FSDD recordings ({{digit}}_{{speaker}}_{{take}}.wav).")
    raise InputError("FSDD is not here yet: run `vqaudio download fsdd`, or name its folder with --data or VQAUDIO_DATA.")


def cache_folder() -> Path:
    """Where `download` puts the dataset: $VQAUDIO_CACHE or ~/.cache/vqaudio, then fsdd/."""
    return Path(os.environ.get("VQAUDIO_CACHE", Path.home() / ".cache" / "vqaudio")) / "fsdd"


def _read(path: Path) -> torch.Tensor:
    try:
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path} cannot be read as audio: {error.error_string}") from None
    if rate != SAMPLE_RATE or len(audio) == 0:
        raise InputError(f"{path} is not FSDD's: {len(audio)} samples at {rate} Hz.")
    return torch.from_numpy(audio.mean(-1))
