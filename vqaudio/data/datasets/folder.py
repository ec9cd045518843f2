"""Any folder of audio as a dataset: your own recordings, in any layout and format.

Labels and parts come from a table or from the folder's layout:

- `metadata.csv` or `labels.csv` in the folder, in UTF-8, with commas, semicolons or tabs: the column `file_name` (or one of
  `tables.FILE_COLUMNS`, or else the first) names the recording; a column `split` gives its part; every other column is a label.
  This is also the layout of Hugging Face's AudioFolder.
- without a table, the label is the name of the recording's sub-folder.

Timed labels (phones, words, notes) of take1.wav are in take1.labels.json beside it: a list of [kind, value, start_s, end_s].

Without a `split`, a hash of the file's name decides: a tenth each for validation and test. It does not change when files are
added, and is the same on every machine.
"""

import hashlib
import itertools
import os
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from vqaudio.data import tables
from vqaudio.data.clips import About, Clip, Split, crop_timed_labels
from vqaudio.data.sources import PARTS, Source, files_in, label_lists, read_all, sound_of, timed_labels_of
from vqaudio.errors import InputError

SAMPLE_RATE = 16_000
PIECE_S = 10.0  # longer recordings are cut into equal pieces of at most this length
SHARE = 0.1  # of the recordings, each, for validation and test
FEWEST = 3  # recordings: one for each part
FEW = 1000  # up to this many recordings, no part may be empty; beyond, the hash alone decides
ABOUT = About(
    name="a folder of recordings",
    trained="Trained on a folder of recordings. Its table, or else a hash of the file names, decides the splits.",
    knows="It knows only the kind of sound in those recordings.",
)
ENDINGS = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".mp4", ".aac", ".webm", ".mkv", ".mka", ".aif", ".aiff"),
    *(".aifc", ".caf", ".w64", ".au", ".snd", ".amr", ".wma", ".3gp", ".mov", ".wave", ".mp2", ".spx", ".sph", ".voc"),
)
STARTS = (b"fLaC", b"OggS", b"ID3", b"RF64", b"caff", b".snd", b"NIST_1A", b"Creative Voi", b"#!AMR", b"wvpk")


def load_split(split: str, root: str | os.PathLike | None = None, sample_rate: int = SAMPLE_RATE) -> Split:
    """Read "train", "validation" or "test" into memory.

    Args:
        root: the folder.
        sample_rate: Hz, to resample to; several channels are mixed to one.

    Returns:
        clips of at most PIECE_S seconds. Unreadable files are listed on stderr and left out.

    Raises:
        InputError: no such split or folder, no audio in it, fewer than three recordings, or an invalid table.
    """
    if split not in PARTS:
        raise InputError(f"A folder has the splits {', '.join(PARTS)}; not {split!r}.")
    found = list(sources(root))
    labels = label_lists(found)
    if split == "train":
        _warn_of_single_class(found, labels)
    chosen = [source for source in found if source.part == split]
    clips, bad = read_all(chosen, clips_of, sample_rate)
    if not clips:
        first = f" The first: {bad[0][1]}" if bad else ""
        raise InputError(f"None of the {len(chosen)} recordings in {root} that are for {split} can be read.{first}")
    return Split(tuple(clips), sample_rate, labels)


def sources(root: str | os.PathLike | None) -> Iterator[Source]:
    """Yield every recording in order of name. Raises the InputErrors of `load_split`."""
    if root is None:
        raise InputError("Name the folder of your recordings with --data.")
    base = Path(root)
    if not base.is_dir():
        raise InputError(f"There is no folder {base}.")
    table, others = next((base / name for name in tables.NAMES if (base / name).is_file()), None), Counter()
    found = tables.recordings(base, table, part_of) if table else _from_folders(base, others)
    few = list(itertools.islice(found, FEW))
    if len(few) < FEWEST:
        contents = f"only {len(few)} recording{'s' if len(few) > 1 else ''}" if few else "no audio"
        where = f"{table} names" if table else f"{base} holds"
        beside = f" beside {', '.join(f'{n} {ending}' for ending, n in others.most_common(3))}" if others else ""
        raise InputError(f"{where} {contents}{beside}; at least {FEWEST} are needed, for training, validation and testing.")
    yield from few if len(few) == FEW else _every_part(few)
    yield from found


def clips_of(source: Source, sample_rate: int) -> list[Clip]:
    """Read the recording, in equal pieces of at most PIECE_S seconds."""
    sound = sound_of(source.path, sample_rate)
    timed = timed_labels_of(source.path, len(sound) / sample_rate)
    n = -(-len(sound) // round(PIECE_S * sample_rate))
    if n == 1:
        return [Clip(sound, source.name, source.labels, timed)]
    clips, start = [], 0
    for i, part in enumerate(sound.tensor_split(n)):
        inside = crop_timed_labels(timed, start / sample_rate, len(part) / sample_rate)
        clips.append(Clip(part.clone(), f"{source.name}#{i}", source.labels, inside))
        start += len(part)
    return clips


def part_of(name: str) -> str:
    """Return the part of a recording, by a hash of its name relative to the folder."""
    position = hash_position(name)
    return "validation" if position < SHARE else "test" if position < 2 * SHARE else "train"


def hash_position(name: str) -> float:
    """Hash a name to [0, 1).

    In Unicode's composed form, because systems write accents differently.
    """
    digest = hashlib.sha1(unicodedata.normalize("NFC", name).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _every_part(few: list[Source]) -> list[Source]:
    """Move recordings so that no part is empty, choosing those whose hashes are nearest."""
    parts = [source.part for source in few]
    order = sorted(range(len(few)), key=lambda i: hash_position(few[i].name))
    for part, wanted in (("validation", order), ("test", order[1:]), ("train", order[::-1])):
        if part not in parts:
            parts[next(i for i in wanted if parts.count(parts[i]) > 1)] = part
    return [replace(source, part=part) for source, part in zip(few, parts)]


def _from_folders(base: Path, others: Counter) -> Iterator[Source]:
    """Yield every recording, labelled by sub-folder; count other files' endings in `others`."""
    for path in files_in(base):
        if path.suffix.lower() not in ENDINGS and not _is_audio(path):
            others[path.suffix or "without ending"] += 1
            continue
        label = {} if path.parent == base else {"label": _readable(path.parent.name)}
        name = _readable(path.relative_to(base).as_posix())
        yield Source(path, name, part_of(name), label)


def _is_audio(path: Path) -> bool:
    """Whether a file without a usual ending starts like audio."""
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except OSError:
        return False
    return start.startswith(STARTS) or start[:4] + start[8:] in (b"RIFFWAVE", b"FORMAIFF", b"FORMAIFC")


def _readable(name: str) -> str:
    """A name as text even if its bytes are not UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _warn_of_single_class(found: list[Source], labels: dict) -> None:
    values = {value for source in found for value in source.labels.values()}
    if not labels and len(values) == 1:
        print(f"All recordings have the same label, {values.pop()!r}: it will not be used.", file=sys.stderr)
