"""NSynth: 305,979 notes of 4 s at 16 kHz. CC BY 4.0.

Engel et al. 2017, "Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders". A part is a folder
`nsynth-{train,valid,test}/` with `examples.json`, which gives each note's pitch, velocity and instrument, and
`audio/{note}.wav`. The parts are the dataset's own: instruments differ between training and the others.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from vqaudio.data import notes
from vqaudio.data.clips import About, Clip, Split
from vqaudio.data.datasets import fsdd
from vqaudio.data.download import fetch_unpacked
from vqaudio.data.sources import PARTS, Source, read_all
from vqaudio.errors import InputError

SAMPLE_RATE = notes.SAMPLE_RATE
FOLDERS = {"train": "nsynth-train", "validation": "nsynth-valid", "test": "nsynth-test"}
INDEX = "examples.json"
PITCHES = tuple(str(midi) for midi in range(128))
FAMILIES = (
    "bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string", "synth_lead", "vocal",
)
VELOCITIES = ("25", "50", "75", "100", "127")
URL = "http://download.magenta.tensorflow.org/datasets/nsynth/{}.jsonwav.tar.gz"
# MD5 as the HEAR benchmark states them in hearpreprocess/nsynth_pitch.py; the dataset's own page gives none.
CHECKSUMS = {
    "train": "fde6665a93865503ba598b9fac388660",
    "validation": "87e94a00a19b6dbc99cf6d4c0c0cae87",
    "test": "5e6f8719bf7e16ad0a00d518b78af77d",
}
MAX_FILES, MAX_BYTES = 300_000, 40 * 2**30  # the training part has 289,205 notes in 37 GB
LARGEST = {".wav": 300_000, ".json": 400_000_000}  # bytes of one file, by its ending
ABOUT = About(
    name="NSynth", trained="The splits are the dataset's own.", licence="cc-by-4.0", tags=("music",),
    source="[NSynth](https://magenta.tensorflow.org/datasets/nsynth) (Engel et al. 2017) is licensed CC BY 4.0.",
)


def load_split(split: str, root: str | os.PathLike | None = None, sample_rate: int = SAMPLE_RATE) -> Split:
    """Read "train", "validation" or "test" into memory.

    The test part is 1 GB; the training part is 74 GB (see `vqaudio prepare`).

    Args:
        root: the folder that holds nsynth-train and the others, or one of these; None: $VQAUDIO_DATA, else `download`'s cache.
        sample_rate: Hz, to resample to.

    Returns:
        notes with the labels "pitch" (a MIDI number), "instrument" (the family) and "dynamics" (the velocity).

    Raises:
        InputError: no such split, no folder of it, or a damaged examples.json.
    """
    notes.check_split(split, "NSynth")
    folder = recordings(root, split)
    clips, _ = read_all(list(_notes(folder, split)), clips_of, sample_rate)
    if not clips:
        raise InputError(f"{folder} holds none of the notes that its {INDEX} names.")
    return Split(tuple(clips), sample_rate, {"pitch": PITCHES, "instrument": FAMILIES, "dynamics": VELOCITIES})


def sources(root: str | os.PathLike | None = None) -> Iterator[Source]:
    """Yield every note of the parts that are there, in order of name."""
    for part in PARTS:
        try:
            folder = recordings(root, part)
        except InputError:
            continue
        yield from _notes(folder, part)


def clips_of(source: Source, sample_rate: int) -> list[Clip]:
    """Read the note as one clip."""
    return [Clip(notes.read(source.path, sample_rate), source.name, source.labels)]


def recordings(root: str | os.PathLike | None, part: str) -> Path:
    """Return the folder of a part: in `root`, $VQAUDIO_DATA or the download cache."""
    given = root or os.environ.get("VQAUDIO_DATA")
    base = Path(given) if given else cache()
    for folder in (base / FOLDERS[part], base / "nsynth" / FOLDERS[part], base):
        if (folder / INDEX).is_file() and (folder != base or folder.resolve().name == FOLDERS[part]):
            return folder
    if given:
        raise InputError(f"{base} holds no NSynth: a folder {FOLDERS[part]} with {INDEX} and audio/.")
    raise InputError("NSynth is not here yet: run `vqaudio download nsynth`, or name its folder with --data or VQAUDIO_DATA.")


def cache() -> Path:
    """Return the download cache: nsynth/ in $VQAUDIO_CACHE or ~/.cache/vqaudio."""
    return fsdd.cache_folder().with_name("nsynth")


def download(folder: Path | None = None, part: str = "test", url: str | None = None) -> Path:
    """Download a part (train: 22 GB, test: 0.35 GB); return its folder.

    Resumes a broken download.

    Args:
        folder: where to save it; None for the cache.
        part: train, validation or test.
        url: the archive; None for the original.

    Raises:
        InputError: no such part, the address cannot be reached, the checksum differs, or the archive is damaged or unsafe.
        OSError: the disk is full.
    """
    notes.check_split(part, "NSynth")
    folder, name = folder or cache(), FOLDERS[part]
    archive = folder / f"{name}.jsonwav.tar.gz"
    limits = _limit, MAX_FILES, MAX_BYTES
    wanted = lambda unpacked: unpacked / name if (unpacked / name / INDEX).is_file() else None  # noqa: E731
    return fetch_unpacked(url or URL.format(name), archive, CHECKSUMS[part], *limits, wanted, folder / name)


def _limit(name: PurePosixPath) -> int | None:
    """The most bytes that this file of the archive may have; None for other files."""
    parts = name.parts
    if len(parts) < 2 or parts[0] not in FOLDERS.values():
        return None
    if len(parts) == 2 and parts[1] == INDEX:
        return LARGEST[".json"]
    return LARGEST[".wav"] if len(parts) == 3 and parts[1] == "audio" and name.suffix == ".wav" else None


def _notes(folder: Path, part: str) -> Iterator[Source]:
    """Yield the notes in examples.json that are there."""
    try:
        listed = sorted(json.loads((folder / INDEX).read_text()).items())
        labels = {
            name: {
                "pitch": str(int(one["pitch"])), "instrument": one["instrument_family_str"],
                "dynamics": str(int(one["velocity"])),
            }
            for name, one in listed
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{folder / INDEX} is damaged: it does not give each note's pitch, velocity and instrument.") from None
    known = {"pitch": PITCHES, "instrument": FAMILIES, "dynamics": VELOCITIES}
    for name, note_labels in labels.items():
        path = folder / "audio" / f"{PurePosixPath(name).name}.wav"
        if path.is_file():
            yield Source(path, name, part, {kind: value for kind, value in note_labels.items() if value in known[kind]})
