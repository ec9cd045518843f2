"""Voices of many rooms and microphones at 16 kHz, from the folders of several public collections.

| folder | what | licence |
| --- | --- | --- |
| wake-words | more than 50 people say one of six wake words (Picovoice's wake-word-benchmark) | Apache-2.0 |
| spoken-commands | more than 50 people order a drink (Picovoice's speech-to-intent-benchmark) | Apache-2.0 |
| vctk-p239 | one speaker of VCTK 0.92 | ODC-By |
| festvox-ru | one speaker of Russian, msu_ru_nsh of festvox | BSD-like |
| fsdd | the training part of the Free Spoken Digit Dataset, ten digits in a row; nothing above 4 kHz | CC BY-SA 4.0 |
| speech-commands-300 | 300 clips of Speech Commands v0.01: the test split, and never anything else | CC BY 4.0 |

One recording in sixteen, chosen by a hash of its name, is the validation part. Long recordings are cut into pieces of a few
seconds, so that a talkative collection does not drown the others. Only the wake words carry a label; the test clips name their
speaker.
"""

import hashlib
import os
from pathlib import Path

import torch
import torchaudio
from torch import Tensor

from vqaudio import audio as audio_io
from vqaudio.data import fsdd
from vqaudio.data.clips import About, Clip, Split
from vqaudio.errors import InputError
from vqaudio.progress import bar

SAMPLE_RATE = 16_000
WORDS = ("alexa", "computer", "jarvis", "smart_mirror", "snowboy", "view_glass")
FOLDERS = ("wake-words", "spoken-commands", "vctk-p239", "festvox-ru")
TEST_FOLDER = "speech-commands-300"
SPLITS = ("train", "validation", "test")
PIECE_S = 3.5  # recordings longer than this are cut into equal pieces of at most so many seconds
VALIDATION_SHARE = 1 / 16
ABOUT = About(
    name="recordings of more than a hundred voices (wake words, spoken commands, a speaker of VCTK, one of Russian, digits)",
    parts="Trained on fifteen in sixteen of the recordings of wake-words, spoken-commands, vctk-p239 and festvox-ru, and on "
    "FSDD's takes 10 to 49; weights and settings chosen on the rest of the four; the numbers below are from 300 clips of Speech "
    "Commands v0.01, which nothing was trained or chosen on: other people, words, rooms and microphones.",
    heard="PESQ (wide band), ESTOI and DNSMOS are means over 30 rows of ten clips; mel-L1, MR-STFT and SI-SDR over the 300 "
    "clips; speaker similarity is the cosine of resemblyzer's embeddings, a mean over speakers.",
    knows="It knows voices, most of them speaking English into everyday microphones.",
    beyond="Music, noise and several people at once come back recognisable at best",
    licence="cc-by-sa-4.0",
    source="Picovoice's [wake-word-benchmark](https://github.com/Picovoice/wake-word-benchmark) and "
    "[speech-to-intent-benchmark](https://github.com/Picovoice/speech-to-intent-benchmark) (Apache-2.0), "
    "[VCTK](https://datashare.ed.ac.uk/handle/10283/3443) (ODC-By), msu_ru_nsh of festvox (BSD-like), the "
    "[Free Spoken Digit Dataset](https://github.com/Jakobovski/free-spoken-digit-dataset) (CC BY-SA 4.0); the test clips are of "
    "[Speech Commands](https://arxiv.org/abs/1804.03209) (Warden 2018, CC BY 4.0). The weights are CC BY-SA 4.0.",
)


def load_split(split: str, root: str | os.PathLike | None = None) -> Split:
    """Read "train", "validation" or "test" from the folders above under `root`; those that are not there are left out.

    Args:
        root: the folder that holds them; None: $VQAUDIO_DATA, or the folder above it.

    Raises:
        InputError: no such split, none of its folders, or a file that cannot be read.
    """
    if split not in SPLITS:
        raise InputError(f"The voices have the splits {', '.join(SPLITS)}; not {split!r}.")
    base = _base(root)
    paths = [path for path in _recordings(base, split)]
    if not paths:
        raise InputError(f"{base} holds none of the folders {', '.join((*FOLDERS, TEST_FOLDER))} with recordings of this split.")
    clips = []
    with bar("reading", len(paths), " recordings") as progress:
        for path in paths:
            clips += _pieces(path, base, whole=split == "test")
            progress.update(1)
    if split == "train":
        clips += _digits(base)
    labels = {"word": WORDS}
    if split == "test":
        labels = {"speaker": tuple(sorted({clip.labels["speaker"] for clip in clips}))}
    group = 10 if split == "test" else 3
    rows = tuple(tuple(range(i, min(i + group, len(clips)))) for i in range(0, len(clips), group))
    return Split(tuple(clips), SAMPLE_RATE, labels, rows)


def _base(root: str | os.PathLike | None) -> Path:
    given = root or os.environ.get("VQAUDIO_DATA")
    if not given:
        raise InputError("Name the folder of the voice recordings with --data or VQAUDIO_DATA.")
    base = Path(given)
    held = [folder for folder in (base, base.parent) if any((folder / name).is_dir() for name in (*FOLDERS, TEST_FOLDER))]
    return held[0] if held else base


def _recordings(base: Path, split: str) -> list[Path]:
    folders = (TEST_FOLDER,) if split == "test" else FOLDERS
    found = [p for name in folders for p in sorted((base / name).rglob("*")) if p.suffix in (".flac", ".wav")]
    return found if split == "test" else [path for path in found if _held_out(path, base) == (split == "validation")]


def _held_out(path: Path, base: Path) -> bool:
    digest = hashlib.sha1(path.relative_to(base).with_suffix("").as_posix().encode()).digest()
    return int.from_bytes(digest[:4], "big") < VALIDATION_SHARE * 2**32


def _pieces(path: Path, base: Path, whole: bool) -> list[Clip]:
    """The recording in equal parts of at most PIECE_S seconds, or as it is."""
    sound, name = audio_io.load(path, SAMPLE_RATE)[0][0], path.relative_to(base).with_suffix("").as_posix()
    labels = {"word": path.parent.name} if path.parent.name in WORDS else {}
    if "_nohash_" in path.stem:  # Speech Commands
        labels = {"speaker": path.stem.split("_nohash_")[0]}
    n = 1 if whole else -(-len(sound) // round(PIECE_S * SAMPLE_RATE))
    return [Clip(part, name if n == 1 else f"{name}#{i}", labels) for i, part in enumerate(sound.tensor_split(n))]


def _digits(base: Path) -> list[Clip]:
    """The digits of one speaker and one take of FSDD's training part in a row, at 16 kHz."""
    if not (base / "fsdd").is_dir():
        return []
    split = fsdd.load_split("train", base / "fsdd")
    rows = [torch.cat([split.clips[i].audio for i in row]) for row in split.utterances]
    names = ["_".join(split.clips[row[0]].name.split("_")[1:]) for row in split.utterances]
    return [Clip(_at_16_khz(sound), f"fsdd/{name}") for sound, name in zip(rows, names)]


def _at_16_khz(sound: Tensor) -> Tensor:
    return torchaudio.functional.resample(sound, fsdd.SAMPLE_RATE, SAMPLE_RATE).clamp(-1, 1)
