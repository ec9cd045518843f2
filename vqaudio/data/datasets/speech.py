"""Sentences of a few known speakers at 16 kHz, for speech codecs.

| folder | speakers | licence |
| --- | --- | --- |
| vctk-p239 | `vctk-p239`: one woman of VCTK 0.92 | ODC-By |
| festvox-ru | `festvox-ru`: one man speaking Russian, msu_ru_nsh of festvox | BSD-like |
| fsdd | `fsdd-george` and five more men of FSDD, ten digits in a row; nothing above 4 kHz | CC BY-SA 4.0 |
| asterisk | `asterisk-en_US_f_Allison` and others: prompts that `vqaudio download asterisk` fetches | CC BY-SA 3.0, CC BY 3.0 |

Utterances are split by a hash of their names: a tenth each for validation and test. Of FSDD, takes 0 to 4 are the test part and
takes 5 to 9 the validation part, as always. Every clip has a label `speaker`.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from vqaudio.data.clips import About, Clip, Split
from vqaudio.data.datasets import festvox_ru, fsdd, vctk
from vqaudio.data.datasets.folder import hash_position, part_of
from vqaudio.data.sources import PARTS, Source, files_in, read_all, sound_of
from vqaudio.errors import InputError

SAMPLE_RATE = 16_000
FOLDERS = ("vctk-p239", "festvox-ru", "fsdd", "asterisk")
CLASSES = ("speaker",)
FEWEST_SPEAKERS = 2
ASTERISK_SHARE = 0.25  # of each voice's prompts, chosen by a hash of their names: some five minutes, as much as others have
ABOUT = About(
    name="sentences, prompts and digits of a few speakers (VCTK p239, festvox's msu_ru_nsh, FSDD, Asterisk's voices)",
    trained="Trained on eight tenths of the utterances of vctk-p239, festvox-ru and asterisk, chosen by a hash of their names, "
    "and on FSDD's takes 10 to 49. Weights and settings were chosen on another tenth, and on FSDD's takes 5 to 9.",
    tested="The test clips are the last tenth of the utterances, and FSDD's takes 0 to 4: nothing was trained or chosen on them.",
    knows="It knows the voices that it was trained on, in English, Russian, French, Italian and Spanish.",
    beyond="Other voices are encoded too, but decoded in one of these voices",
    licence="cc-by-sa-4.0",
    source="[VCTK](https://datashare.ed.ac.uk/handle/10283/3443) (ODC-By), msu_ru_nsh of festvox (BSD-like), Asterisk's core "
    "sounds by Allison Smith, June Wallack and others (CC BY-SA 3.0, the Russian ones CC BY 3.0), the [Free Spoken Digit "
    "Dataset](https://github.com/Jakobovski/free-spoken-digit-dataset) (CC BY-SA 4.0). All allow commercial use with "
    "attribution; share-alike binds the weights, which are CC BY-SA 4.0.",
    tags=("speech",),
)


def load_split(split: str, root: str | os.PathLike | None = None, sample_rate: int = SAMPLE_RATE) -> Split:
    """Read a split of the folders above; missing folders are left out.

    Args:
        root: the folder that holds them; None: $VQAUDIO_DATA, or the folder above it.
        sample_rate: Hz, to which the recordings are resampled.

    Raises:
        InputError: no such split, fewer than two speakers, or no recording of this split that can be read.
    """
    if split not in PARTS:
        raise InputError(f"Speech has the splits {', '.join(PARTS)}; not {split!r}.")
    found = list(sources(root))
    speakers = tuple(sorted({source.labels["speaker"] for source in found}))
    if len(speakers) < FEWEST_SPEAKERS:
        held = f"only {speakers[0]}" if speakers else "none"
        names = ", ".join(FOLDERS)
        raise InputError(f"{_base(root)} has {held} of the speakers in {names}; at least {FEWEST_SPEAKERS} are needed.")
    clips, _ = read_all([source for source in found if source.part == split], clips_of, sample_rate)
    if not clips:
        raise InputError(f"{_base(root)} holds no recordings of the {split} split.")
    return Split(tuple(clips), sample_rate, {"speaker": speakers})


def sources(root: str | os.PathLike | None = None) -> Iterator[Source]:
    """List every utterance with its split.

    FSDD's digits come in rows of ten, listed by their first digit.
    """
    base = _base(root)
    for folder, module in (("vctk-p239", vctk), ("festvox-ru", festvox_ru)):
        if (base / folder).is_dir():
            for source in module.sources(base / folder):
                yield Source(source.path, f"{folder}/{source.name}", source.part, {"speaker": folder})
    if (base / "fsdd").is_dir():
        yield from _rows_of_digits(base / "fsdd")
    if (base / "asterisk").is_dir():
        for path in files_in(base / "asterisk"):
            if path.suffix in (".flac", ".wav"):
                name = f"asterisk/{path.parent.name}/{path.stem}"
                if hash_position(f"speech/{name}") < ASTERISK_SHARE:
                    yield Source(path, name, part_of(name), {"speaker": f"asterisk-{path.parent.name}"})


def clips_of(source: Source, sample_rate: int) -> list[Clip]:
    """Read an utterance; a row of FSDD's digits is one.

    Those of festvox-ru have phones.
    """
    if source.name.startswith("fsdd/"):
        digits = sorted(source.path.parent.glob(f"[0-9]_{source.name.removeprefix('fsdd/')}.wav"))
        return [Clip(torch.cat([sound_of(path, sample_rate) for path in digits]), source.name, source.labels)]
    if source.name.startswith("festvox-ru/"):
        return [replace(clip, name=source.name) for clip in festvox_ru.clips_of(source, sample_rate)]
    return [Clip(sound_of(source.path, sample_rate), source.name, source.labels)]


def _rows_of_digits(folder: Path) -> Iterator[Source]:
    """For each speaker and take the first digit's file, called fsdd/SPEAKER_TAKE."""
    rows: dict[str, Source] = {}
    for source in fsdd.sources(folder):
        rows.setdefault(source.name.partition("_")[2], source)
    for name, source in sorted(rows.items()):
        yield Source(source.path, f"fsdd/{name}", source.part, {"speaker": f"fsdd-{source.labels['speaker']}"})


def _base(root: str | os.PathLike | None) -> Path:
    given = root or os.environ.get("VQAUDIO_DATA")
    if not given:
        raise InputError("Name the folder of the speech recordings with --data or VQAUDIO_DATA.")
    base = Path(given)
    held = [folder for folder in (base, base.parent) if any((folder / name).is_dir() for name in FOLDERS)]
    return held[0] if held else base
