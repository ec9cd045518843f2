"""The Free Spoken Digit Dataset: six speakers, ten digits, fifty takes each.

Jackson et al., CC BY-SA 4.0. Files are named `{digit}_{speaker}_{take}.wav`. The official test split is takes 0 to 4; here takes
5 to 9 are the validation part and takes 10 to 49 are for training; "development" is both.
"""

import hashlib
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import soundfile
import torch

from vqaudio.data.clips import About, Clip, Split, check_rate
from vqaudio.data.download import fetch
from vqaudio.data.sources import PARTS, Source, sound_of
from vqaudio.errors import InputError

SAMPLE_RATE = 8000
DIGITS = tuple("0123456789")
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
TAKES = {"test": range(0, 5), "validation": range(5, 10), "train": range(10, 50), "development": range(5, 50)}
LICENCE = "CC BY-SA 4.0, Free Spoken Digit Dataset, https://github.com/Jakobovski/free-spoken-digit-dataset"
ABOUT = About(
    name="the Free Spoken Digit Dataset",
    trained="Trained on takes 10 to 49 of each digit and speaker; weights and settings were chosen on takes 5 to 9.",
    tested="Takes 0 to 4 are the dataset's official test split, used for neither training nor selection.",
    score_note="PESQ (narrow band) and ESTOI are means over {utterances} utterances of ten digits; mel-L1, MR-STFT and SI-SDR "
    "over the {clips} clips; digit and speaker are the shares of clips that two small classifiers, trained on originals, "
    "recognise.",
    knows="It knows six men saying ten English digits, each over a single recording channel.",
    beyond="Other voices, words, music and noise are only approximated",
    licence="cc-by-sa-4.0",
    source="The [Free Spoken Digit Dataset](https://github.com/Jakobovski/free-spoken-digit-dataset) (Jackson et al.) is "
    "licensed CC BY-SA 4.0, and so are these weights.",
    tags=("speech",),
)
URL = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/heads/master.tar.gz"
CHECKSUM = "a2e8a660492f28d9eed6270b290d26cbc5c81d6077ce87d3c0ad5adf4d4ee696"
LARGEST_FILE = 1_000_000  # bytes; the longest recording has 37 kB
_NAME = re.compile(r"^(\d)_([a-z]+)_(\d+)\.wav$")


def load_split(split: str, root: str | os.PathLike | None = None, sample_rate: int = SAMPLE_RATE) -> Split:
    """Read "train", "validation", "development" or "test" from a folder of WAV files.

    Args:
        root: the dataset's folder (with or without its `recordings/`); None: $VQAUDIO_DATA, else the cache of `download`.
        sample_rate: Hz, the dataset's own, 8000.

    Returns:
        clips with the labels "digit" and "speaker".

    Raises:
        InputError: no such split or folder, another rate, or a file that is not part of the dataset.
    """
    check_rate("fsdd", SAMPLE_RATE, sample_rate)
    if split not in TAKES:
        raise InputError(f"FSDD has the splits {', '.join(TAKES)}; not {split!r}.")
    chosen = (source for source in sources(root) if int(source.name.rpartition("_")[2]) in TAKES[split])
    clips = [Clip(_read(source.path), source.name, source.labels) for source in chosen]
    if not clips:
        raise InputError(f"{recordings(root)} holds no clip of FSDD's {split} split.")
    return Split(tuple(clips), SAMPLE_RATE, {"digit": DIGITS, "speaker": SPEAKERS}, _utterances(clips))


def sources(root: str | os.PathLike | None = None) -> Iterator[Source]:
    """Yield every recording with its part."""
    for path in sorted(recordings(root).glob("*.wav")):
        match = _NAME.match(path.name)
        part = next((part for part in PARTS if match and int(match[3]) in TAKES[part]), None)
        if part:
            yield Source(path, path.stem, part, {"digit": match[1], "speaker": match[2]})


def clips_of(source: Source, sample_rate: int) -> list[Clip]:
    """Read the recording as one clip."""
    return [Clip(sound_of(source.path, sample_rate), source.name, source.labels)]


def _utterances(clips: list[Clip]) -> tuple[tuple[int, ...], ...]:
    """Positions of the digits of each speaker and take, in order."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, clip in enumerate(clips):
        groups.setdefault(tuple(clip.name.split("_")[1:]), []).append(i)
    return tuple(tuple(group) for group in groups.values())


def recordings(root: str | os.PathLike | None = None) -> Path:
    """Return the folder of WAV files: in `root`, $VQAUDIO_DATA or the download cache."""
    given = root or os.environ.get("VQAUDIO_DATA")
    base = Path(given) if given else cache_folder()
    for folder in (base, base / "recordings", base / "fsdd" / "recordings"):
        if next(folder.glob("[0-9]_*_[0-9]*.wav"), None):
            return folder
    if given:
        raise InputError(f"{base} holds no FSDD recordings ({{digit}}_{{speaker}}_{{take}}.wav).")
    raise InputError("FSDD is not here yet: run `vqaudio download fsdd`, or name its folder with --data or VQAUDIO_DATA.")


def find(name: str) -> Path | None:
    """Return a clip's recording; None if it is not on this machine."""
    try:
        path = recordings() / f"{name.removesuffix('.wav')}.wav"
    except InputError:
        return None
    return path if path.is_file() and path.parent == recordings() else None


def cache_folder() -> Path:
    """Return the download cache: fsdd/ in $VQAUDIO_CACHE or ~/.cache/vqaudio."""
    return Path(os.environ.get("VQAUDIO_CACHE", Path.home() / ".cache" / "vqaudio")) / "fsdd"


def download(folder: Path | None = None, url: str = URL) -> Path:
    """Download the dataset with a progress bar; return the folder of its recordings.

    Args:
        folder: where to save it; None for the cache.
        url: the archive.

    Raises:
        InputError: the address cannot be reached, or the checksum over the 3,000 recordings differs.
    """
    folder = folder or cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        archive = Path(temporary) / "fsdd.tar.gz"
        fetch(url, archive)
        unpacked = Path(temporary) / "recordings"
        _unpack(archive, unpacked)
        found = checksum(unpacked)
        if found != CHECKSUM:
            raise InputError(
                f"What {url} gave is not the dataset that this project knows (its checksum is {found[:12]}...); nothing was kept."
            )
        shutil.rmtree(folder / "recordings", ignore_errors=True)
        unpacked.rename(folder / "recordings")
    return folder / "recordings"


def checksum(folder: Path) -> str:
    """SHA-256 over the names and contents of a folder's recordings, in order of name."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.wav")):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _unpack(archive: Path, folder: Path) -> None:
    """Extract only the recordings: plain files with the dataset's names."""
    folder.mkdir()
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = Path(member.name).name
                if member.isfile() and _NAME.match(name) and member.size <= LARGEST_FILE:
                    (folder / name).write_bytes(tar.extractfile(member).read())
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InputError(f"The archive that was fetched is damaged: {error}") from None


def _read(path: Path) -> torch.Tensor:
    try:
        sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path} cannot be read as audio: {error.error_string}") from None
    if rate != SAMPLE_RATE or len(sound) == 0:
        raise InputError(f"{path} is not FSDD's: {len(sound)} samples at {rate} Hz.")
    return torch.from_numpy(sound.mean(-1))
