"""Voices in many rooms and microphones at 16 kHz, from several public collections.

| folder | content | licence |
| --- | --- | --- |
| wake-words | more than 50 people say one of six wake words (Picovoice's wake-word-benchmark) | Apache-2.0 |
| spoken-commands | more than 50 people order a drink (Picovoice's speech-to-intent-benchmark) | Apache-2.0 |
| vctk-p239 | one speaker of VCTK 0.92 | ODC-By |
| festvox-ru | one speaker of Russian, msu_ru_nsh of festvox | BSD-like |
| asterisk | prompts in five languages, from `vqaudio download asterisk` | CC BY-SA 3.0, CC BY 3.0 |
| fsdd | the training part of the Free Spoken Digit Dataset, ten digits in a row; nothing above 4 kHz | CC BY-SA 4.0 |
| speech-commands-300 | 300 clips of Speech Commands v0.01: the test split only | CC BY 4.0 |

A hash of the name picks one recording in sixteen for validation. Long recordings are cut into pieces of a few seconds, so that
no collection dominates. Only the wake words have a label; the test clips name their speaker.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import torch

from vqaudio.data.clips import About, Clip, Split, check_rate
from vqaudio.data.datasets import fsdd
from vqaudio.data.sources import Source, files_in, sound_of
from vqaudio.errors import InputError
from vqaudio.progress import bar

SAMPLE_RATE = 16_000
WORDS = ("alexa", "computer", "jarvis", "smart_mirror", "snowboy", "view_glass")
FOLDERS = ("wake-words", "spoken-commands", "vctk-p239", "festvox-ru", "asterisk")
TEST_FOLDER = "speech-commands-300"
SPLITS = ("train", "validation", "test")
PIECE_S = 3.5  # longer recordings are cut into equal pieces of at most this length
VALIDATION_SHARE = 1 / 16
ABOUT = About(
    name="recordings of more than a hundred voices (wake words, spoken commands, a VCTK speaker, a Russian speaker and digits; "
    "for the codec also telephone prompts in five languages)",
    trained="Trained on 15 out of 16 recordings of wake-words, spoken-commands, vctk-p239 and festvox-ru, and on FSDD's takes 10 "
    "to 49; the codec, on a GPU, also on five minutes of each voice of asterisk. Weights and settings were chosen on the rest.",
    tested="The test clips are 300 clips of Speech Commands v0.01, used for neither training nor selection: other people, words, "
    "rooms and microphones.",
    score_note="PESQ (wide band), ESTOI and DNSMOS are means over {utterances} rows of ten clips; mel-L1, MR-STFT and SI-SDR "
    "over the {clips} clips; speaker similarity is the cosine of resemblyzer's embeddings, averaged over speakers.",
    knows="It knows voices, most of them speaking English into everyday microphones.",
    beyond="Music, noise and overlapping speakers are only approximated",
    licence="cc-by-sa-4.0",
    source="Picovoice's [wake-word-benchmark](https://github.com/Picovoice/wake-word-benchmark) and "
    "[speech-to-intent-benchmark](https://github.com/Picovoice/speech-to-intent-benchmark) (Apache-2.0), "
    "[VCTK](https://datashare.ed.ac.uk/handle/10283/3443) (ODC-By), msu_ru_nsh of festvox (BSD-like), Asterisk's core sounds by "
    "Allison Smith, June Wallack and others (CC BY-SA 3.0, the Russian ones CC BY 3.0), the "
    "[Free Spoken Digit Dataset](https://github.com/Jakobovski/free-spoken-digit-dataset) (CC BY-SA 4.0); the test clips are "
    "from [Speech Commands](https://arxiv.org/abs/1804.03209) (Warden 2018, CC BY 4.0). The weights are CC BY-SA 4.0.",
    tags=("speech",),
)


def load_split(split: str, root: str | os.PathLike | None = None, sample_rate: int = SAMPLE_RATE) -> Split:
    """Read "train", "validation" or "test" from those of the folders that are there.

    Args:
        root: the folder that holds them; None: $VQAUDIO_DATA, or the folder above it.
        sample_rate: Hz, 16,000.

    Raises:
        InputError: no such split, another rate, none of its folders, or a file that cannot be read.
    """
    check_rate("voice", SAMPLE_RATE, sample_rate)
    if split not in SPLITS:
        raise InputError(f"The voices have the splits {', '.join(SPLITS)}; not {split!r}.")
    chosen = [source for source in sources(root) if source.part == split]
    if not chosen:
        held = ", ".join((*FOLDERS, TEST_FOLDER))
        raise InputError(f"{_base(root)} holds none of the folders {held} with recordings of this split.")
    clips = []
    with bar("reading", len(chosen), " recordings") as progress:
        for source in chosen:
            clips += clips_of(source, SAMPLE_RATE)
            progress.update(1)
    labels = {"word": WORDS}
    if split == "test":
        labels = {"speaker": tuple(sorted({clip.labels["speaker"] for clip in clips}))}
    group = 10 if split == "test" else 3
    rows = tuple(tuple(range(i, min(i + group, len(clips)))) for i in range(0, len(clips), group))
    return Split(tuple(clips), SAMPLE_RATE, labels, rows)


def sources(root: str | os.PathLike | None = None) -> Iterator[Source]:
    """Yield every recording with its part; one source per row of FSDD's digits."""
    base = _base(root)
    for folder in (*FOLDERS, TEST_FOLDER):
        for path in sorted(files_in(base / folder) if (base / folder).is_dir() else ()):
            if path.suffix in (".flac", ".wav"):
                name = path.relative_to(base).with_suffix("").as_posix()
                part = "test" if folder == TEST_FOLDER else "validation" if _held_out(name) else "train"
                yield Source(path, name, part, _labels(path))
    if (base / "fsdd").is_dir():
        digits = [source for source in fsdd.sources(base / "fsdd") if source.part == "train"]
        first = {source.name.partition("_")[2]: source for source in reversed(digits)}
        for row in sorted(first):
            yield Source(first[row].path, f"fsdd/{row}", "train")


def clips_of(source: Source, sample_rate: int) -> list[Clip]:
    """Read the recording, in training and validation cut to at most PIECE_S seconds.

    A row of FSDD's digits stays whole.
    """
    if source.name.startswith("fsdd/"):
        digits = sorted(source.path.parent.glob(f"[0-9]_{source.name.removeprefix('fsdd/')}.wav"))
        row = torch.cat([sound_of(path, sample_rate) for path in digits])
        return [Clip(row, source.name)]
    sound = sound_of(source.path, sample_rate)
    n = 1 if source.part == "test" else -(-len(sound) // round(PIECE_S * sample_rate))
    names = [source.name] if n == 1 else [f"{source.name}#{i}" for i in range(n)]
    return [Clip(part, name, source.labels) for part, name in zip(sound.tensor_split(n), names)]


def _base(root: str | os.PathLike | None) -> Path:
    given = root or os.environ.get("VQAUDIO_DATA")
    if not given:
        raise InputError("Name the folder of the voice recordings with --data or VQAUDIO_DATA.")
    base = Path(given)
    held = [folder for folder in (base, base.parent) if any((folder / name).is_dir() for name in (*FOLDERS, TEST_FOLDER))]
    return held[0] if held else base


def _held_out(name: str) -> bool:
    digest = hashlib.sha1(name.encode()).digest()
    return int.from_bytes(digest[:4], "big") < VALIDATION_SHARE * 2**32


def _labels(path: Path) -> dict[str, str]:
    if "_nohash_" in path.stem:  # Speech Commands
        return {"speaker": path.stem.split("_nohash_")[0]}
    return {"word": path.parent.name} if path.parent.name in WORDS else {}
