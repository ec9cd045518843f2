"""Google's Speech Commands: thousands of people say 30 or 35 words.

Warden 2018, arXiv 1804.03209, CC BY 4.0. Files are `{word}/{speaker}_nohash_{n}.wav`, at most one second at 16 kHz;
`_background_noise_/` holds minutes of noise. The official split is in validation_list.txt and testing_list.txt; without them, a
hash of the speaker's id decides, by the rule in the dataset's README, so that nobody is in two parts.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from vqaudio.data.clips import About, Clip, Split
from vqaudio.data.datasets import fsdd
from vqaudio.data.download import fetch_unpacked
from vqaudio.data.sources import PARTS, Source, read_all, sound_of
from vqaudio.errors import InputError

SAMPLE_RATE = 16_000
CLASSES = ("word",)  # speakers differ between the parts
NOISE_FOLDER = "_background_noise_"
LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
URL = "http://download.tensorflow.org/data/speech_commands_v{}.tar.gz"
# SHA-256 as torchaudio 2.11 states them in torchaudio/datasets/speechcommands.py. That of v0.02 is also in MLX Data's source.
CHECKSUMS = {
    "0.01": "743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d",
    "0.02": "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
}
LICENCE = "CC BY 4.0, Speech Commands (Pete Warden, Google), https://arxiv.org/abs/1804.03209"
MAX_FILES, MAX_BYTES = 150_000, 6 * 2**30  # v0.02 has 105,829 recordings in 3.3 GB
LARGEST = {".wav": 200_000, ".txt": 10_000_000, ".md": 1_000_000}  # bytes of one file, by its ending
LARGEST_NOISE = 20_000_000
SHARE = 10.0  # per cent, each, of validation and test
ABOUT = About(
    name="Speech Commands", trained="The splits are the dataset's own; no speaker is in two of them.",
    knows="It knows single English words, each spoken into an everyday microphone.", licence="cc-by-4.0",
    source="[Speech Commands](https://arxiv.org/abs/1804.03209) (Warden 2018) is licensed CC BY 4.0.", tags=("speech",),
)
_NAME = re.compile(r"^(.+)_nohash_(\d+)\.wav$")
_BUCKETS = 2**27 - 1  # of the dataset's rule


def load_split(split: str, root: str | os.PathLike | None = None, sample_rate: int = SAMPLE_RATE) -> Split:
    """Read "train", "validation" or "test" into memory.

    The 84,843 training clips of v0.02 are 5.4 GB (see `vqaudio prepare`).

    Args:
        root: the dataset's folder, or one that holds it; None: $VQAUDIO_DATA, else the cache of `download`.
        sample_rate: Hz, to resample to.

    Returns:
        clips of at most one second, with the labels "word" and "speaker". Speakers differ between the parts, so only "word" has
        a list of values. Batches with `multiple` or `crop` of one second are exactly one second long, with lengths.

    Raises:
        InputError: no such split or folder, or no clip of this split in it.
    """
    if split not in PARTS:
        raise InputError(f"Speech Commands has the splits {', '.join(PARTS)}; not {split!r}.")
    folder = recordings(root)
    chosen = [source for source in sources(folder) if source.part == split]
    clips, _ = read_all(chosen, clips_of, sample_rate)
    if not clips:
        raise InputError(f"{folder} holds no clip of Speech Commands' {split} split.")
    return Split(tuple(clips), sample_rate, {"word": words(folder)})


def sources(root: str | os.PathLike | None = None) -> Iterator[Source]:
    """Yield every recording with its part, word by word, without the background noise."""
    folder = recordings(root)
    listed = _listed(folder)
    for word in words(folder):
        for path in sorted((folder / word).glob("*_nohash_*.wav")):
            name = f"{word}/{path.name}"
            match = _NAME.match(path.name)
            if match:
                part = part_of(match[1]) if listed is None else listed.get(name, "train")
                yield Source(path, name, part, {"word": word, "speaker": match[1]})


def clips_of(source: Source, sample_rate: int) -> list[Clip]:
    """Read the recording's first second, or all of it."""
    return [Clip(sound_of(source.path, sample_rate)[:sample_rate], source.name, source.labels)]


def words(folder: Path) -> tuple[str, ...]:
    """Return the words that are there, in alphabetical order."""
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(("_", "."))))


def part_of(speaker: str) -> str:
    """Return a speaker's part by the dataset's own rule."""
    number = int(hashlib.sha1(speaker.encode()).hexdigest(), 16) % (_BUCKETS + 1)
    per_cent = number * (100 / _BUCKETS)
    return "validation" if per_cent < SHARE else "test" if per_cent < 2 * SHARE else "train"


def recordings(root: str | os.PathLike | None = None) -> Path:
    """Return the folder of the words: in `root`, $VQAUDIO_DATA or the download cache."""
    given = root or os.environ.get("VQAUDIO_DATA")
    base = Path(given) if given else cache()
    versions = [f"speech_commands_v{version}" for version in sorted(CHECKSUMS, reverse=True)]
    for inside in ("", *versions, *(f"SpeechCommands/{version}" for version in versions)):
        if next((base / inside).glob("*/*_nohash_*.wav"), None):
            return base / inside
    if given:
        raise InputError(f"{base} holds no Speech Commands ({{word}}/{{speaker}}_nohash_{{n}}.wav).")
    raise InputError(
        "Speech Commands is not here yet: run `vqaudio download speech-commands`, or name its folder with --data or VQAUDIO_DATA."
    )


def cache() -> Path:
    """Return the cache: speech-commands/ in $VQAUDIO_CACHE or ~/.cache/vqaudio."""
    return fsdd.cache_folder().with_name("speech-commands")


def download(folder: Path | None = None, version: str = "0.02", url: str | None = None) -> Path:
    """Download the dataset (2.4 GB; v0.01: 1.5 GB); return the folder of the words.

    Resumes a broken download.

    Args:
        folder: where to save it; None for the cache.
        version: "0.01" or "0.02".
        url: the archive; None for the original.

    Raises:
        InputError: the address cannot be reached, the checksum differs, or the archive is damaged or unsafe.
        OSError: the disk is full.
    """
    if version not in CHECKSUMS:
        raise InputError(f"Speech Commands has the versions {', '.join(CHECKSUMS)}; not {version!r}.")
    folder, name = folder or cache(), f"speech_commands_v{version}"
    archive = folder / f"{name}.tar.gz"
    limits = _limit, MAX_FILES, MAX_BYTES
    return fetch_unpacked(url or URL.format(version), archive, CHECKSUMS[version], *limits, _with_words, folder / name)


def _with_words(unpacked: Path) -> Path | None:
    """For `fetch_unpacked`: the folder itself, if it holds recordings."""
    return unpacked if next(unpacked.glob("*/*_nohash_*.wav"), None) else None


def _limit(name: PurePosixPath) -> int | None:
    """The most bytes that this file of the archive may have; None for other files."""
    if len(name.parts) == 1:
        return LARGEST.get(name.suffix, LARGEST[".md"] if name.name == "LICENSE" else None)
    if len(name.parts) != 2:
        return None
    if name.parts[0] == NOISE_FOLDER:
        return LARGEST_NOISE
    return LARGEST[".wav"] if _NAME.match(name.name) else None


def _listed(folder: Path) -> dict[str, str] | None:
    """File -> part by the dataset's lists; None without them."""
    if not all((folder / name).is_file() for name in LISTS.values()):
        return None
    return {line: part for part, name in LISTS.items() for line in (folder / name).read_text().split()}
