"""Acoustic scenes: five to ten notes in sequence, with a JSON description of each.

After CLEVR's pictures. The notes are the elementary sounds of CLEAR (Abdelnour et al. 2018), split by instrument and note, so
that no sound of a test scene occurs in a training scene. The same seed gives the same bytes.
"""

import hashlib
import os
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soxr

from vqaudio.data.datasets import clear_notes
from vqaudio.errors import InputError

SAMPLE_RATE = 16_000
BUNDLED = Path(__file__).resolve().parents[2] / "assets" / "ask"
LONGEST_S = 12.0
SPLITS = ("train", "validation", "test")
HELD_OUT = {"test": 4, "validation": 3}  # sounds per instrument; all others are for training
PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
OCTAVES = ("3", "4", "5")
LOUDNESS_DB = {"quiet": -32.0, "loud": -20.0}  # RMS of the whole sound, dBFS
BRIGHT_HZ = 735.0  # in the widest gap near the median of the notes' spectral centroids: 714 to 754 Hz
OVERLAP_S, LONGEST_GAP_S = 0.05, 0.6
TAIL_S = 0.3  # of reverberation


@dataclass(frozen=True)
class Sound:
    """One sound of a scene, as in scenes.json."""

    instrument: str
    note: str
    """Pitch class, C to B."""
    octave: str
    """3 to 5; octave 4 starts at middle C."""
    loudness: str
    """quiet or loud, 12 dB apart."""
    brightness: str
    """bright where the power-weighted mean frequency of the dry recording is above `BRIGHT_HZ`, otherwise dark."""
    start_s: float
    duration_s: float
    recording: str
    """Name of the recording; a pitch-shifted copy has the shift in semitones as its suffix."""


@dataclass(frozen=True, eq=False)  # hashed by identity
class Note:
    """A recording for scenes: float32 [N] at `SAMPLE_RATE`, RMS 1."""

    name: str
    instrument: str
    midi: int
    brightness: str
    audio: np.ndarray


def load_notes(root: str | os.PathLike | None, split: str, semitones: int = 0) -> tuple[Note, ...]:
    """Read the recordings of one split.

    Args:
        root: the folder of CLEAR's notes, or the one that holds `clear-notes/`; None: $VQAUDIO_DATA.
        split: train, validation or test.
        semitones: also return copies of every recording resampled by up to this many semitones up and down, 0 to 6.

    Raises:
        InputError: an unknown split, no notes, or too few of an instrument to split.
    """
    if split not in SPLITS:
        raise InputError(f"There is no split {split!r}: choose one of {', '.join(SPLITS)}.")
    if not 0 <= semitones <= 6:
        raise InputError(f"Pitch shifts are 0 to 6 semitones, not {semitones}.")
    clips = clear_notes.load_split("test", root, SAMPLE_RATE).clips
    chosen = _split_names([(clip.labels["instrument"], clip.name) for clip in clips])[split]
    found = []
    for clip in sorted(clips, key=lambda clip: clip.name):
        if clip.name in chosen:
            audio, midi = clip.audio.numpy(), int(clip.labels["pitch"])
            shifts = [shift for shift in range(-semitones, semitones + 1) if _octave_of(midi + shift) in OCTAVES]
            found += [_note(clip.name, clip.labels["instrument"], midi, audio, shift) for shift in shifts]
    return tuple(found)


@cache
def bundled_notes() -> tuple[Note, ...]:
    """Load the 24 recordings of the test split that ship in assets/ask."""
    clips = sorted(clear_notes.load_split("test", BUNDLED, SAMPLE_RATE).clips, key=lambda clip: clip.name)
    return tuple(_note(clip.name, clip.labels["instrument"], int(clip.labels["pitch"]), clip.audio.numpy(), 0) for clip in clips)


def _split_names(named: list[tuple[str, str]]) -> dict[str, set[str]]:
    """Split (instrument, name) pairs by a hash of the name within each instrument."""
    parts: dict[str, set[str]] = {split: set() for split in SPLITS}
    for instrument in sorted({instrument for instrument, _ in named}):
        names = sorted((name for one, name in named if one == instrument), key=lambda name: hashlib.sha1(name.encode()).digest())
        if len(names) <= sum(HELD_OUT.values()):
            raise InputError(f"There are {len(names)} sounds of {instrument}: more than {sum(HELD_OUT.values())} are needed.")
        for split, count in HELD_OUT.items():
            parts[split] |= set(names[:count])
            names = names[count:]
        parts["train"] |= set(names)
    return parts


def _note(name: str, instrument: str, midi: int, audio: np.ndarray, shift: int) -> Note:
    if shift:
        audio = soxr.resample(audio, round(SAMPLE_RATE * 2 ** (shift / 12)), SAMPLE_RATE)
        name = f"{name}{shift:+d}"
    level = np.sqrt(np.mean(np.square(audio, dtype=np.float64)))
    brightness = "bright" if centroid_hz(audio) > BRIGHT_HZ else "dark"
    return Note(name, instrument, midi + shift, brightness, (audio / max(level, 1e-9)).astype(np.float32))


def centroid_hz(audio: np.ndarray) -> float:
    """Power-weighted mean frequency of a recording [N] under a Hann window."""
    power = np.square(np.abs(np.fft.rfft(audio * np.hanning(len(audio)))))
    return float(power @ np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE) / max(power.sum(), 1e-20))


def _octave_of(midi: int) -> str:
    return str(midi // 12 - 1)


@dataclass(frozen=True)
class Plan:
    """A scene's notes, their loudness, and their first samples."""

    notes: tuple[Note, ...]
    loudness: tuple[str, ...]
    starts: tuple[int, ...]

    def sounds(self) -> list[dict]:
        """Describe the sounds as in scenes.json."""
        return [_described(*one) for one in zip(self.notes, self.loudness, self.starts)]


def scene(library: tuple[Note, ...], split: str, seed: int, index: int) -> tuple[np.ndarray, list[dict]]:
    """Make scene number `index`: audio float32 [N], and its sounds in order."""
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    plan = draw_plan(library, rng)
    return render(plan, rng), plan.sounds()


def draw_plan(library: tuple[Note, ...], rng: np.random.Generator) -> Plan:
    """Draw five to ten notes: first an instrument, then one of its notes, uniformly."""
    by_instrument = _grouped(library)
    instruments = sorted(by_instrument)
    count = int(rng.integers(5, 11))
    groups = [by_instrument[instruments[rng.integers(len(instruments))]] for _ in range(count)]
    chosen = tuple(group[rng.integers(len(group))] for group in groups)
    loudness = tuple(tuple(LOUDNESS_DB)[rng.integers(2)] for _ in range(count))
    return Plan(chosen, loudness, tuple(_starts(rng, [len(note.audio) for note in chosen])))


def render(plan: Plan, rng: np.random.Generator) -> np.ndarray:
    """Render a scene in a lightly reverberant room: float32 [N]."""
    ends = [start + len(note.audio) for start, note in zip(plan.starts, plan.notes)]
    total = min(max(ends) + round(TAIL_S * SAMPLE_RATE), round(LONGEST_S * SAMPLE_RATE))
    dry = np.zeros(total, np.float32)
    for start, note, level in zip(plan.starts, plan.notes, plan.loudness):
        dry[start : start + len(note.audio)] += (note.audio * 10 ** (LOUDNESS_DB[level] / 20))[: total - start]
    audio = dry + _reverberation(rng, dry)
    return audio / max(1.0, np.abs(audio).max() / 0.99)


@cache
def _grouped(library: tuple[Note, ...]) -> dict[str, list[Note]]:
    groups: dict[str, list[Note]] = {}
    for note in library:
        groups.setdefault(note.instrument, []).append(note)
    return groups


def _starts(rng: np.random.Generator, lengths: list[int]) -> list[int]:
    """First samples, with gaps of -`OVERLAP_S` to `LONGEST_GAP_S`, smaller if the scene gets too long."""
    spare = LONGEST_S - TAIL_S - sum(lengths) / SAMPLE_RATE
    longest = min(LONGEST_GAP_S, spare / len(lengths))
    gaps = rng.uniform(-OVERLAP_S, longest, len(lengths))
    at, starts = abs(gaps[0]), []
    for length, gap in zip(lengths, [*gaps[1:], 0.0]):
        starts.append(round(at * SAMPLE_RATE))
        at += length / SAMPLE_RATE + gap
    return starts


def _reverberation(rng: np.random.Generator, dry: np.ndarray) -> np.ndarray:
    """Light reverberation: decaying noise, 14 to 20 dB below the direct sound, RT60 of 0.15 to 0.4 s."""
    time = np.arange(round(TAIL_S * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / rng.uniform(0.15, 0.4))
    tail *= 10 ** (-rng.uniform(14, 20) / 20) / np.sqrt(np.square(tail).sum())
    size = 2**15 * -(-(len(dry) + len(tail)) // 2**15)
    wet = np.fft.irfft(np.fft.rfft(dry, size) * np.fft.rfft(tail, size), size)
    return wet[: len(dry)].astype(np.float32)


def _described(note: Note, loudness: str, start: int) -> dict:
    return asdict(
        Sound(
            note.instrument, PITCH_CLASSES[note.midi % 12], _octave_of(note.midi), loudness, note.brightness,
            round(start / SAMPLE_RATE, 4), round(len(note.audio) / SAMPLE_RATE, 4), note.name,
        )
    )
