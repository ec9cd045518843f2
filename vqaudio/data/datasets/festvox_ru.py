"""One speaker of Russian with phone labels: Debian's package festvox-ru.

The voice is msu_ru_nsh of festvox. BSD-like licence.

The folder holds `wav/` (or `wav/*.flac`) and `lab/`, with one label file a recording. A tenth of the recordings each, chosen by a
hash of the name, are the validation and the test part.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from vqaudio.data.annotations import read_labels
from vqaudio.data.clips import About, Clip, Split
from vqaudio.data.datasets import asterisk, fsdd
from vqaudio.data.datasets.folder import part_of
from vqaudio.data.download import unpack
from vqaudio.data.sources import PARTS, Source, read_all, sound_of
from vqaudio.errors import InputError

SAMPLE_RATE = 16_000
PACKAGE = "festvox-ru"
INSTALLED = Path("/usr/share/festival/voices/russian/msu_ru_nsh_clunits")
LIMITS = 2_000, 400_000_000  # files and bytes of the package
LARGEST = 5_000_000  # bytes of a recording
SILENCES = ("pau",)
PHONES = (
    "a", "aa", "ae", "ay", "b", "bb", "c", "ch", "d", "dd", "e", "ee", "f", "ff", "g", "gg", "h", "hh", "i", "ii", "j", "k",
    "kk", "l", "ll", "m", "mm", "n", "nn", "oo", "p", "pau", "pp", "r", "rr", "s", "sch", "sh", "ss", "ssil", "t", "tt", "u",
    "ur", "uu", "v", "vv", "y", "yy", "z", "zh", "zz",
)
ABOUT = About(
    name="msu_ru_nsh of festvox, one speaker of Russian",
    trained="Trained on eight tenths of the recordings, chosen by a hash of their names; weights and settings chosen on another.",
    tested="The test clips are the last tenth, which nothing was trained or chosen on.",
    knows="It knows one man reading Russian.",
    licence="other",
    source="msu_ru_nsh of [festvox](http://festvox.org) (BSD-like: keep its notice).",
    tags=("speech",),
)


def load_split(split: str, root: str | os.PathLike | None = None, sample_rate: int = SAMPLE_RATE) -> Split:
    """Read "train", "validation" or "test" into memory, whole recordings.

    Args:
        root: the folder with `wav` and `lab`; None: $VQAUDIO_DATA, an installed package, or the download's cache.
        sample_rate: Hz, to which the recordings are resampled.

    Raises:
        InputError: no such split, no folder with recordings, or none that can be read.
    """
    if split not in PARTS:
        raise InputError(f"festvox-ru has the splits {', '.join(PARTS)}; not {split!r}.")
    chosen = [source for source in sources(root) if source.part == split]
    clips, _ = read_all(chosen, clips_of, sample_rate)
    if not clips:
        raise InputError(f"{recordings(root)} holds no recording of festvox-ru's {split} split.")
    return Split(tuple(clips), sample_rate, {})


def sources(root: str | os.PathLike | None = None) -> Iterator[Source]:
    """Every recording with its part."""
    for path in sorted((recordings(root) / "wav").iterdir()):
        if path.suffix in (".wav", ".flac") and not path.name.startswith("."):
            yield Source(path, path.stem, part_of(path.stem))


def clips_of(source: Source, sample_rate: int) -> list[Clip]:
    """Read the whole recording, with its phones if it has a label file.

    Raises InputError if that file is another recording's.
    """
    sound = sound_of(source.path, sample_rate)
    labels = label_file(source)
    phones = read_labels(labels, len(sound) / sample_rate, PHONES) if labels.is_file() else ()
    return [Clip(sound, source.name, source.labels, phones)]


def label_file(source: Source) -> Path:
    """Where the phones of a recording are."""
    return source.path.parent.parent / "lab" / f"{source.path.stem}.lab"


def recordings(root: str | os.PathLike | None = None) -> Path:
    """The folder with `wav` and `lab`. Raises InputError where there is none."""
    given = root or os.environ.get("VQAUDIO_DATA")
    folders = [Path(given), Path(given) / PACKAGE] if given else [INSTALLED, cache_folder()]
    for folder in folders:
        if (folder / "wav").is_dir() and (folder / "lab").is_dir():
            return folder
    if given:
        raise InputError(f"{given} holds no festvox voice: there are no folders wav and lab in it.")
    raise InputError("festvox-ru is not here yet: run `vqaudio download festvox-ru`, or name its folder with --data.")


def cache_folder() -> Path:
    """Where `download` keeps the voice: festvox-ru/ beside FSDD's folder in the cache."""
    return fsdd.cache_folder().with_name(PACKAGE)


def download(folder: Path | None = None, installed: Path = INSTALLED, fetch: tuple[str, ...] = ("apt-get", "download")) -> Path:
    """Unpack the voice from Debian's package.

    An installed package is used; otherwise apt downloads it (179 MB) and checks it.

    Args:
        folder: where to keep it; None: the cache.
        installed: the folder of an installed package.
        fetch: the command that fetches a package by its name into the current folder.

    Returns:
        the folder with `wav` and `lab`.

    Raises:
        InputError: there is no apt here, it cannot fetch the package, or the package is damaged.
        OSError: the disk is full.
    """
    if (installed / "wav").is_dir() and (installed / "lab").is_dir():
        return installed
    folder = folder or cache_folder()
    if (folder / "wav").is_dir() and (folder / "lab").is_dir():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        package = _fetched(fetch, Path(temporary))
        archive, unpacked = package.with_suffix(".tar"), Path(temporary) / "unpacked"
        archive.write_bytes(asterisk.contents(package.read_bytes(), package.name))
        unpack(archive, unpacked, _limit, *LIMITS)
        voice = unpacked / INSTALLED.relative_to("/")
        if not (voice / "wav").is_dir() or not (voice / "lab").is_dir():
            raise InputError(f"{package.name} holds no recordings with labels; nothing was kept.")
        for name in ("lab", "wav"):
            shutil.move(voice / name, folder / name)
    return folder


def _fetched(command: tuple[str, ...], folder: Path) -> Path:
    """The package that the command wrote into the folder."""
    if shutil.which(command[0]) is None:
        raise InputError(f"There is no {command[0]} here to fetch {PACKAGE}. Name a folder that holds it with --data.")
    done = subprocess.run([*command, PACKAGE], cwd=folder, capture_output=True, text=True)
    package = next(folder.glob("*.deb"), None)
    if done.returncode or package is None:
        reason = next(iter(done.stderr.strip().splitlines()[-1:]), "no package came")
        reason = re.sub(r"^[EW]: ", "", reason)
        raise InputError(f"{command[0]} could not fetch {PACKAGE}: {reason} Run `apt-get update` first.")
    return package


def _limit(name: PurePosixPath) -> int | None:
    """The most bytes that a file of the package may have; None for what is neither a recording nor its labels."""
    wanted = PurePosixPath(INSTALLED.relative_to("/"))
    return LARGEST if name.parent in (wanted / "wav", wanted / "lab") and name.suffix in (".wav", ".lab") else None
