"""Notes that priors generate, each once, and sampler instruments of them."""

import functools
from dataclasses import dataclass

from vqaudio import sfz
from vqaudio.errors import InputError
from vqaudio.pitches import name_of
from vqaudio.ui import models, verbs
from vqaudio.ui.clip import sampling
from vqaudio.ui.clip.store import NOTE_BYTES
from vqaudio.ui.memory import ByteCache

NO_PLAYER = "No prior here knows notes. Add one that has the label 'pitch', such as notes-16khz-masked."
cache = ByteCache(NOTE_BYTES, lambda note: note.n_bytes)


def player(name: str) -> tuple:
    """Find a prior that knows notes.

    Returns:
        the prior and its codec.

    Raises:
        InputError: no such prior; the sentence lists those that know notes.
    """
    known = {prior.name: (prior, codec) for prior, codec in models.with_label(sfz.PITCH)}
    if name not in known:
        raise InputError(f"No prior {name!r} plays notes here. Known: {', '.join(known)}." if known else NO_PLAYER)
    return known[name]


def note_of(prior, codec, labels: dict[str, str], key: int, seconds: float, take: int) -> sfz.Note:
    """The note of a key, from the cache if it was generated before.

    Raises:
        InputError: the prior does not know the note or a label.
    """
    labels = sampling.known_labels(prior, labels)
    make = functools.partial(verbs.notes, codec, prior, [key], labels, seconds, take)
    return cache.get(_identity(prior, codec, labels, key, seconds, take), lambda: make()[0])


def notes_of(prior, codec, labels: dict[str, str], keys: list[int], seconds: float, take: int, on_step=None) -> list[sfz.Note]:
    """The notes of several keys; those not cached are generated together.

    Args:
        on_step: as for `verbs.notes`.
    """
    labels = sampling.known_labels(prior, labels)
    identities = {key: _identity(prior, codec, labels, key, seconds, take) for key in keys}
    missing = [key for key, identity in identities.items() if cache.peek(identity) is None]
    fresh = verbs.notes(codec, prior, missing, labels, seconds, take, on_step=on_step) if missing else []
    for note in fresh:
        cache.get(identities[note.key], lambda note=note: note)
    fresh = {note.key: note for note in fresh}
    return [fresh.get(key) or note_of(prior, codec, labels, key, seconds, take) for key in keys]


def _identity(prior, codec, labels: dict[str, str], key: int, seconds: float, take: int) -> tuple:
    """Everything that determines a note. Raises InputError as `sfz.label_of` does."""
    sfz.label_of(prior, key)
    return prior.name, codec.encoder_fingerprint, tuple(sorted(labels.items())), key, round(seconds, 3), take


def trained_keys(prior) -> dict[str, dict[str, list[int]]] | None:
    """The keys in the training clips of each label's values, except `pitch` itself.

    Returns:
        kind -> value -> MIDI keys; None if the prior has no record of its training labels.
    """
    rows = getattr(prior, "example_labels", None)
    if rows is None or not len(rows):
        return None
    key_of = {value: key for key, value in sfz.keys_of(prior).items()}
    keys: dict[str, dict[str, set[int]]] = {
        kind: {value: set() for value in values} for kind, values in prior.labels.items() if kind != sfz.PITCH
    }
    for row in rows.tolist():
        labels = {kind: values[i] for (kind, values), i in zip(prior.labels.items(), row) if i < len(values)}
        key = key_of.get(labels.pop(sfz.PITCH, ""))
        for kind, value in labels.items() if key is not None else ():
            keys[kind][value].add(key)
    return {kind: {value: sorted(found) for value, found in values.items()} for kind, values in keys.items()}


def keys_between(prior, labels: dict[str, str], low: int, high: int) -> list[int]:
    """The keys that a prior knows in a range. Raises InputError as `sfz.notes` does."""
    sfz.notes(None, prior, low, high, sampling.known_labels(prior, labels))
    return [key for key in sfz.keys_of(prior) if low <= key <= high]


@dataclass(frozen=True)
class Archive:
    """A sampler instrument as a file: its name and the bytes of the ZIP."""

    name: str
    data: bytes

    @property
    def n_bytes(self) -> int:
        return len(self.data)

    def told(self) -> dict:
        """For the page, as any result of a job."""
        return {"name": self.name, "bytes": len(self.data)}


def instrument(prior, codec, labels: dict[str, str], keys: list[int], seconds: float, take: int, job=None) -> Archive:
    """Generate the notes that are missing, and pack a sampler instrument.

    Args:
        job: a `jobs.Job` that shows the progress and may be cancelled.
    """

    def step(done: float, total: int, ids: None) -> None:
        if job:
            job.check()
            job.share = done / total

    notes = notes_of(prior, codec, labels, keys, seconds, take, step)
    name = sfz.title(labels, prior.name)
    file = f"{name}-{name_of(keys[0])}-{name_of(keys[-1])}.zip".replace("#", "s")
    return Archive(file, sfz.sampler(notes, codec.sample_rate, name, sfz.source(notes, labels, prior.name)))
