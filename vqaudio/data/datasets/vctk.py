"""VCTK (Yamagishi et al. 2019): 110 speakers of English at 48 kHz. ODC-By.

The layouts of its releases: `wav48_silence_trimmed/p225/p225_001_mic1.flac` (0.92), `wav48/p225/p225_001.wav` (0.80), with
`txt/p225/p225_001.txt` and `speaker-info.txt`; or one speaker's files in one folder. Of two microphones the first is taken. A
tenth of the utterances each, chosen by a hash of their names, are the validation and the test part.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from vqaudio.data.clips import About, Clip, Split
from vqaudio.data.datasets.folder import part_of
from vqaudio.data.sources import PARTS, Source, files_in, label_lists, read_all, sound_of
from vqaudio.errors import InputError

SAMPLE_RATE = 16_000
FOLDERS = ("wav48_silence_trimmed", "wav48")
CLASSES = ("speaker", "gender", "accent")
LONGEST_TEXT = 10_000  # characters
_NAME = re.compile(r"^([ps]\d+)_(\d+)(_mic[12])?\.(flac|wav)$")
ABOUT = About(
    name="VCTK",
    trained="Trained on eight tenths of the utterances, chosen by a hash of their names; weights and settings chosen on another.",
    tested="The test clips are the last tenth, which nothing was trained or chosen on.",
    knows="It knows people reading English sentences in a quiet room.",
    licence="odc-by",
    source="[VCTK](https://datashare.ed.ac.uk/handle/10283/3443) (Yamagishi et al. 2019) is licensed ODC-By.",
    tags=("speech",),
)


def load_split(split: str, root: str | os.PathLike | None = None, sample_rate: int = SAMPLE_RATE) -> Split:
    """Read "train", "validation" or "test" into memory, whole utterances.

    Args:
        root: the folder of VCTK in one of its layouts; None: $VQAUDIO_DATA.
        sample_rate: Hz, to which the recordings are resampled.

    Raises:
        InputError: no such split, no folder, or no recordings of VCTK in it that can be read.
    """
    if split not in PARTS:
        raise InputError(f"VCTK has the splits {', '.join(PARTS)}; not {split!r}.")
    found = list(sources(root))
    chosen = [source for source in found if source.part == split]
    clips, _ = read_all(chosen, clips_of, sample_rate)
    if not clips:
        raise InputError(f"{_base(root)} holds no utterance of VCTK's {split} split.")
    labels = label_lists(found)
    labels["speaker"] = tuple(sorted({source.labels["speaker"] for source in found}))
    return Split(tuple(clips), sample_rate, {kind: labels[kind] for kind in CLASSES if kind in labels})


def sources(root: str | os.PathLike | None = None) -> Iterator[Source]:
    """List every utterance with its split, and the speaker's gender and accent."""
    base = _base(root)
    folder = next((base / name for name in FOLDERS if (base / name).is_dir()), base)
    speakers, found = speaker_info(base), False
    for path in files_in(folder):
        match = _NAME.match(path.name)
        if match and match[3] != "_mic2":
            found = True
            name = f"{match[1]}_{match[2]}"
            yield Source(path, name, part_of(name), speakers.get(match[1], {"speaker": match[1]}))
    if not found:
        raise InputError(f"{base} holds no recordings of VCTK ({FOLDERS[0]}/p225/p225_001_mic1.flac).")


def clips_of(source: Source, sample_rate: int) -> list[Clip]:
    """The utterance, whole."""
    return [Clip(sound_of(source.path, sample_rate), source.name, source.labels)]


def text_of(source: Source) -> str | None:
    """The sentence of an utterance; None where it has no text file: p315 has none."""
    speaker = source.labels["speaker"]
    for path in (source.path.parent / f"{source.name}.txt", source.path.parents[2] / "txt" / speaker / f"{source.name}.txt"):
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="replace")[:LONGEST_TEXT].strip()
    return None


def speaker_info(base: Path) -> dict[str, dict[str, str]]:
    """Read the labels of the speakers in speaker-info.txt, if it exists.

    Columns are separated by spaces: ID, AGE, GENDER, ACCENTS, REGION. In 0.80 the IDs have no "p".
    """
    path = base / "speaker-info.txt"
    if not path.is_file():
        return {}
    found = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        fields = line.split()
        if len(fields) >= 4 and re.fullmatch(r"[ps]?\d+", fields[0]):
            speaker = fields[0] if fields[0][0] in "ps" else f"p{fields[0]}"
            found[speaker] = {"speaker": speaker, "gender": fields[2], "accent": fields[3]}
    return found


def _base(root: str | os.PathLike | None) -> Path:
    given = root or os.environ.get("VQAUDIO_DATA")
    if not given:
        raise InputError("Name the folder of VCTK with --data or VQAUDIO_DATA.")
    if not Path(given).is_dir():
        raise InputError(f"There is no folder {given}.")
    return Path(given)
