"""Notes of a prior that knows `pitch`, one a key, and a sampler instrument of them: a ZIP of WAV files and an SFZ file.

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

PITCH = "pitch"  # the kind of label that makes a prior playable
LEVEL_DB = -20.0  # active level that every note is brought to, dB re full scale
PEAK = 0.89  # -1 dB: no note is raised beyond
ONSET_DB = -40.0  # what is softer than that, below the note's peak, is cut from its beginning, so that a key answers at once
LEAD_S = 0.005
SECONDS = 1.5


@dataclass(frozen=True)
class Note:
    """One key's sound.

    Attributes:
        sound: [N] at the codec's rate, from its onset, at the level of all notes.
        seed: that it was drawn with.
        codes: as the prior made them.
        gain_db: that brought it to that level; without it, the sound is as the codec decodes it.
    """

    key: int
    sound: Tensor
    seed: int
    codes: Codes | None = None
    gain_db: float = 0.0

    @property
    def n_bytes(self) -> int:
        return self.sound.nbytes + (0 if self.codes is None else self.codes.ids.nbytes)


def keys_of(prior) -> dict[int, str]:
    """For each key that a prior knows, the value of its label `pitch`, lowest first. Empty: it knows none."""
    found = {}
    for value in prior.labels.get(PITCH, ()):
        try:
            found[key_of(value)] = value
        except InputError:
            continue  # a value such as "unpitched" is no key
    return dict(sorted(found.items()))


def label_of(prior, key: int) -> str:
    """What a prior calls a key. Raises InputError: the prior knows no notes, or not this one, with those that it knows."""
    known = keys_of(prior)
    if not known:
        raise InputError(f"The prior {prior.name!r} does not know notes: it has no label 'pitch'.")
    if key not in known:
        raise InputError(f"There is no note {name_of(key)} here: {prior.name} knows {spans(list(known))}.")
    return known[key]


def spans(keys: list[int]) -> str:
    """[60, 61, 62, 64] -> "C4 to D4, E4" """
    runs: list[list[int]] = []
    for key in keys:
        if runs and runs[-1][1] == key - 1:
            runs[-1][1] = key
        else:
            runs.append([key, key])
    return ", ".join(name_of(a) if a == b else f"{name_of(a)} to {name_of(b)}" for a, b in runs)


def note(codec, prior, key: int, labels: dict[str, str] | None = None, seconds: float | None = SECONDS, seed: int = 0,
         on_step=None, **sampling) -> Note:
    """Have a prior make one note; the same arguments give the same sound.

    Args:
        key: MIDI's number.
        labels: the other labels, such as {"instrument": "flute"}.
        seconds: as for `vqaudio.generate`.
        sampling: temperature, top_k, top_p, steps, guidance: see `Prior.fill`.

    Raises:
        InputError: a note or label that the prior does not know, or a setting out of range.
    """  # fmt: skip
    told = {**(labels or {}), PITCH: label_of(prior, key)}
    generator = torch.Generator().manual_seed((seed * 128 + key) % 2**63)
    sound, codes = vqaudio.generate(codec, prior, told, seconds, generator, on_step=on_step, **sampling)
    sound = onset(sound[0, 0].cpu(), codec.sample_rate)
    gain = level_gain(sound, codec.sample_rate)
    return Note(key, gain * sound, seed, codes, 20 * math.log10(gain))


def onset(sound: Tensor, sample_rate: int) -> Tensor:
    """Sound [N] from just before it begins to sound."""
    loud = (sound.abs() > sound.abs().max() * 10 ** (ONSET_DB / 20)).nonzero()
    return sound[max(0, int(loud[0]) - round(LEAD_S * sample_rate)) :] if len(loud) else sound


def level(sound: Tensor, sample_rate: int) -> Tensor:
    """Sound [N] at LEVEL_DB, or softer where its peak would go beyond PEAK; silence stays silent."""
    return sound * level_gain(sound, sample_rate)


def level_gain(sound: Tensor, sample_rate: int) -> float:
    """The factor that `level` applies to sound [N]; 1 for silence."""
    peak = float(sound.abs().max())
    if peak < 1e-4:
        return 1.0
    now = float(active_level_db(sound[None, None], torch.tensor([len(sound)]), sample_rate)[0])
    return min(10 ** ((LEVEL_DB - now) / 20), PEAK / peak)


def notes(codec, prior, low: int, high: int, labels: dict[str, str] | None = None, **settings) -> Iterator[Note]:
    """The notes from one key to another, ends included; a key between them that the prior does not know is left out.

    Raises:
        InputError: at once, before the first is made: an end that the prior does not know, or one that lies above the other.
    """
    if low > high:
        raise InputError(f"The lowest note, {name_of(low)}, lies above the highest, {name_of(high)}.")
    for end in (low, high):
        label_of(prior, end)
    prior.label_ids(labels, 1)
    keys = [key for key in keys_of(prior) if low <= key <= high]
    return (note(codec, prior, key, labels, **settings) for key in keys)


def sampler(made: list[Note], sample_rate: int, name: str, told: str) -> bytes:
    """A ZIP that holds one folder: `name`.sfz and samples/, a 16-bit WAV a note.

    A key between the lowest and the highest without a note of its own plays the nearest one's, tuned.

    Args:
        made: notes, at least one.
        name: of the instrument; what is no letter, digit, - or _ becomes -.
        told: a line about where the notes came from, put into the SFZ file as a comment.
    """
    made = sorted(made, key=lambda note: note.key)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:60] or "instrument"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}/{name}.sfz", text_of(made, told))
        for one in made:
            archive.writestr(f"{name}/{file_of(one.key)}", wav_of(one.sound, sample_rate))
    return buffer.getvalue()


def text_of(made: list[Note], told: str) -> str:
    """The SFZ file of notes in the order of their keys."""
    lines = [f"// {' '.join(told.split())}", "<group> loop_mode=no_loop ampeg_release=0.3"]
    for i, one in enumerate(made):
        low = one.key if i == 0 else (made[i - 1].key + one.key) // 2 + 1
        high = one.key if i == len(made) - 1 else (one.key + made[i + 1].key) // 2
        lines.append(f"<region> lokey={low} hikey={high} pitch_keycenter={one.key} sample={file_of(one.key)}")
    return "\n".join(lines) + "\n"


def file_of(key: int) -> str:
    """Where a key's WAV lies in the folder; a sharp is "s", because # has a meaning of its own in SFZ."""
    return f"samples/{key:03d}-{name_of(key).replace('#', 's')}.wav"


def wav_of(sound: Tensor, sample_rate: int) -> bytes:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.asarray(to_int16(sound)), sample_rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def title(labels: dict[str, str], prior_name: str) -> str:
    """{"instrument": "flute", "dynamics": "forte"} -> "flute-forte"; the prior's name where nothing was told."""
    return "-".join(labels.values()) or prior_name


def source(made: list[Note], labels: dict[str, str], prior_name: str) -> str:
    """The line that an SFZ file says of itself."""
    count = f"{len(made)} {'note' if len(made) == 1 else 'notes'}"
    told = ", ".join(f"{kind} {value}" for kind, value in labels.items()) or "no labels"
    return f"{count} generated by the prior {prior_name} of vqaudio ({told}; seed {made[0].seed})"
