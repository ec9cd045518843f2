"""Notes of a prior, one a key, and a sampler instrument made of them.

The instrument is a ZIP of WAV files and an SFZ file; the prior has the label `pitch`.

SFZ is a text format that most software samplers open (sfizz, Sforzando, TX16Wx, LinuxSampler): sfzformat.com. Only opcodes of
its first version are used.
"""

import io
import math
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import vqaudio
from vqaudio.audio import active_level_db, to_int16
from vqaudio.codes import Codes
from vqaudio.errors import InputError
from vqaudio.pitches import key_of, name_of
from vqaudio.sampling import Sampling

PITCH = "pitch"  # the kind of label that makes a prior playable
LEVEL_DB = -20.0  # active level of every note, dB re full scale
PEAK = 0.89  # -1 dBFS: the highest peak of a note
ONSET_DB = -40.0  # below the note's peak; softer sound before the onset is cut, so that a key sounds at once
LEAD_S = 0.005
SECONDS = 1.5


@dataclass(frozen=True)
class Note:
    """One key's sound.

    Attributes:
        key: MIDI key number.
        sound: [N] at the codec's rate, from its onset, at `LEVEL_DB`.
        seed: the seed that it was generated with.
        codes: from the prior.
        gain_db: the gain that was applied; without it, the sound is as the codec decodes it.
    """

    key: int
    sound: Tensor
    seed: int
    codes: Codes | None = None
    gain_db: float = 0.0

    @property
    def n_bytes(self) -> int:
        """Memory of the sound and the codes."""
        return self.sound.nbytes + (0 if self.codes is None else self.codes.ids.nbytes)


def keys_of(prior) -> dict[int, str]:
    """The keys that a prior knows, lowest first, with their values of `pitch`."""
    keys = {}
    for value in prior.labels.get(PITCH, ()):
        try:
            keys[key_of(value)] = value
        except InputError:
            continue  # a value such as "unpitched" is no key
    return dict(sorted(keys.items()))


def label_of(prior, key: int) -> str:
    """A prior's name for a key.

    Raises InputError, with the known notes, if it does not know the key.
    """
    known = keys_of(prior)
    if not known:
        raise InputError(f"The prior {prior.name!r} does not know notes: it has no label 'pitch'.")
    if key not in known:
        raise InputError(f"There is no note {name_of(key)} here: {prior.name} knows {spans(list(known))}.")
    return known[key]


def spans(keys: list[int]) -> str:
    """Describe sorted keys in words: [60, 61, 62, 64] -> "C4 to D4, E4"."""
    runs: list[list[int]] = []
    for key in keys:
        if runs and runs[-1][1] == key - 1:
            runs[-1][1] = key
        else:
            runs.append([key, key])
    return ", ".join(name_of(a) if a == b else f"{name_of(a)} to {name_of(b)}" for a, b in runs)


def note(
    codec, prior, key: int, labels: dict[str, str] | None = None, seconds: float | None = SECONDS, seed: int = 0,
    sampling: Sampling | None = None, on_step=None,
) -> Note:
    """Generate one note; the same arguments give the same sound.

    Args:
        codec, prior: as for `vqaudio.generate`.
        key: MIDI key number.
        labels: the other labels, such as {"instrument": "flute"}.
        seconds: as for `vqaudio.generate`.
        seed: of the note; each key draws its own numbers.
        sampling, on_step: see `Prior.fill`.

    Raises:
        InputError: a note or label that the prior does not know, or a setting out of range.
    """
    labels = {**(labels or {}), PITCH: label_of(prior, key)}
    generator = torch.Generator().manual_seed((seed * 128 + key) % 2**63)
    sound, codes = vqaudio.generate(codec, prior, labels, seconds, generator, sampling=sampling, on_step=on_step)
    sound = onset(sound[0, 0].cpu(), codec.sample_rate)
    gain = level_gain(sound, codec.sample_rate)
    return Note(key, gain * sound, seed, codes, 20 * math.log10(gain))


def onset(sound: Tensor, sample_rate: int) -> Tensor:
    """Cut the silence before the onset of a sound [N]."""
    loud = (sound.abs() > sound.abs().max() * 10 ** (ONSET_DB / 20)).nonzero()
    return sound[max(0, int(loud[0]) - round(LEAD_S * sample_rate)) :] if len(loud) else sound


def level(sound: Tensor, sample_rate: int) -> Tensor:
    """Bring a sound [N] to LEVEL_DB, limited to a peak of PEAK.

    Silence stays silent.
    """
    return sound * level_gain(sound, sample_rate)


def level_gain(sound: Tensor, sample_rate: int) -> float:
    """Return the factor that `level` applies to sound [N]; 1 for silence."""
    peak = float(sound.abs().max())
    if peak < 1e-4:
        return 1.0
    now = float(active_level_db(sound[None, None], torch.tensor([len(sound)]), sample_rate)[0])
    return min(10 ** ((LEVEL_DB - now) / 20), PEAK / peak)


def notes(codec, prior, low: int, high: int, labels: dict[str, str] | None = None, **settings) -> Iterator[Note]:
    """Generate the notes from one key to another, ends included.

    Keys that the prior does not know are left out.

    Args:
        codec, prior, labels, settings: as for `note`.
        low, high: MIDI key numbers.

    Raises:
        InputError: before the first note: an end that the prior does not know, or low above high.
    """
    if low > high:
        raise InputError(f"The lowest note, {name_of(low)}, is above the highest, {name_of(high)}.")
    for end in (low, high):
        label_of(prior, end)
    prior.label_ids(labels, 1)
    keys = [key for key in keys_of(prior) if low <= key <= high]
    return (note(codec, prior, key, labels, **settings) for key in keys)


def sampler(made: list[Note], sample_rate: int, name: str, comment: str) -> bytes:
    """A ZIP with one folder: `name`.sfz and samples/, a 16-bit WAV a note.

    A key without its own note, between the lowest and the highest, plays the nearest note, transposed.

    Args:
        made: notes, at least one.
        sample_rate: Hz.
        name: of the instrument; other characters than letters, digits, - and _ become -.
        comment: a line about the source of the notes, for the SFZ file.
    """
    made = sorted(made, key=lambda note: note.key)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:60] or "instrument"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}/{name}.sfz", text_of(made, comment))
        for one in made:
            archive.writestr(f"{name}/{file_of(one.key)}", wav_of(one.sound, sample_rate))
    return buffer.getvalue()


def text_of(made: list[Note], comment: str) -> str:
    """The SFZ file of notes sorted by key."""
    lines = [f"// {' '.join(comment.split())}", "<group> loop_mode=no_loop ampeg_release=0.3"]
    for i, one in enumerate(made):
        low = one.key if i == 0 else (made[i - 1].key + one.key) // 2 + 1
        high = one.key if i == len(made) - 1 else (one.key + made[i + 1].key) // 2
        lines.append(f"<region> lokey={low} hikey={high} pitch_keycenter={one.key} sample={file_of(one.key)}")
    return "\n".join(lines) + "\n"


def file_of(key: int) -> str:
    """Path of a key's WAV in the folder.

    A sharp is "s", because # has another meaning in SFZ.
    """
    return f"samples/{key:03d}-{name_of(key).replace('#', 's')}.wav"


def wav_of(sound: Tensor, sample_rate: int) -> bytes:
    """A 16-bit WAV file of a sound [N]."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.asarray(to_int16(sound)), sample_rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def title(labels: dict[str, str], prior_name: str) -> str:
    """Name an instrument after its labels, or else after the prior.

    {"instrument": "flute", "dynamics": "forte"} -> "flute-forte".
    """
    return "-".join(labels.values()) or prior_name


def source(made: list[Note], labels: dict[str, str], prior_name: str) -> str:
    """The comment of an SFZ file: number of notes, prior, labels and seed."""
    count = f"{len(made)} {'note' if len(made) == 1 else 'notes'}"
    described = ", ".join(f"{kind} {value}" for kind, value in labels.items()) or "no labels"
    return f"{count} generated by the prior {prior_name} of vqaudio ({described}; seed {made[0].seed})"
