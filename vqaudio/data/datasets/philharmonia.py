"""Notes played by the Philharmonia Orchestra.

Files are named `{instrument}_{pitch}_{length}_{dynamic}_{articulation}`, with As4 for A sharp 4. They are free for any use but
must not be redistributed as samples: a model may be shared, the recordings may not. A hash of the name picks one recording in
ten for testing, and six in a hundred for validation.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from vqaudio.data import notes
from vqaudio.data.clips import About, Clip, Split
from vqaudio.data.sources import Source, files_in, read_all
from vqaudio.errors import InputError

SAMPLE_RATE = notes.SAMPLE_RATE
FOLDER = "philharmonia"
INSTRUMENTS = (
    "banjo", "bass-clarinet", "bassoon", "clarinet", "contrabassoon", "english-horn", "flute", "french-horn", "guitar",
    "mandolin", "oboe", "saxophone", "trombone",
)
DYNAMICS = ("pianissimo", "piano", "mezzo-piano", "mezzo-forte", "forte", "fortissimo")
ABOUT = About(
    name="notes of thirteen instruments by the Philharmonia Orchestra",
    trained="Trained on about 84 % of the notes; weights and settings were chosen on 6 %. A hash of the file name decides the "
    "split.",
    tested="The test split is the remaining 10 %, used for neither training nor selection.",
    score_note="Means over the notes.",
    knows="It knows single notes of wind, brass and plucked instruments, A sharp 0 to E 7, at most 4 s long.",
    beyond="Chords, voices and noise are only approximated",
    licence="cc-by-4.0",
    source="Notes recorded by the [Philharmonia Orchestra](https://philharmonia.co.uk/resources/sound-samples/), free for any "
    "use except redistribution as samples. This folder contains none. The weights are CC BY 4.0.",
    tags=("music",),
)


def load_split(split: str, root: str | os.PathLike | None = None, sample_rate: int = SAMPLE_RATE) -> Split:
    """Read "train", "validation" or "test".

    Args:
        root: the folder of the notes, or the one that holds `philharmonia/`; None: $VQAUDIO_DATA.
        sample_rate: Hz, to resample to.

    Returns:
        notes of at most 4 s with the labels "pitch" (a MIDI number), "instrument" and, but for notes that swell, "dynamics".

    Raises:
        InputError: no such split, or no note of it in the folder.
    """
    notes.check_split(split, "The Philharmonia's notes")
    clips, _ = read_all([source for source in sources(root) if source.part == split], clips_of, sample_rate)
    if not clips:
        raise InputError(f"{recordings(root)} holds no note of the {split} split.")
    return Split(tuple(clips), sample_rate, {"pitch": notes.PITCHES, "instrument": INSTRUMENTS, "dynamics": DYNAMICS})


def sources(root: str | os.PathLike | None = None) -> Iterator[Source]:
    """Yield every note with its part in order of name; skip unknown names."""
    notes_like = (path for path in files_in(recordings(root)) if path.name.count("_") >= 4)
    for path in sorted(notes_like, key=lambda path: path.stem):
        instrument, pitch, _, dynamics, *_ = path.stem.split("_")
        try:
            labels = {"pitch": str(notes.midi_of(pitch)), "instrument": instrument}
        except InputError:
            continue
        if instrument in INSTRUMENTS and labels["pitch"] in notes.PITCHES:
            labels |= {"dynamics": dynamics} if dynamics in DYNAMICS else {}
            yield Source(path, path.stem, notes.part_of(path.stem), labels)


def clips_of(source: Source, sample_rate: int) -> list[Clip]:
    """Read the note as one clip."""
    return [Clip(notes.read(source.path, sample_rate), source.name, source.labels)]


def recordings(root: str | os.PathLike | None = None) -> Path:
    """Return the folder that holds the notes, directly or in sub-folders."""
    base = notes.base(root, "the Philharmonia's notes")
    return base / FOLDER if (base / FOLDER).is_dir() else base
