"""The keyboard: notes by a prior that knows `pitch`, each made once and kept for all, and an instrument of them to take home."""

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import gradio as gr
from pydantic import Field

from vqaudio import sfz
from vqaudio.errors import InputError
from vqaudio.pitches import name_of
from vqaudio.ui import models, verbs, wire
from vqaudio.ui.clip import handlers, inpainting, jobs, sampling
from vqaudio.ui.clip.store import NOTE_BYTES
from vqaudio.ui.clip.workbench import Workbench

NOBODY_PLAYS = "No prior here knows notes: one is needed whose labels tell the pitch, as weights/notes-16khz-masked does."
Key = Annotated[int, Field(ge=0, le=127)]


class Sounding(wire.Message):
    """What all notes of a request share."""

    prior: wire.Name
    labels: sampling.Labels = Field(default_factory=dict)
    seconds: Annotated[float, Field(ge=0.1, le=sampling.MAX_SECONDS)] = sfz.SECONDS
    take: Annotated[int, Field(ge=0, le=2**24)] = 0


class NoteRequest(Sounding):
    key: Key


class SamplerRequest(Sounding):
    low: Key
    high: Key


class Notes:
    """Notes by all that determines them: each is made once, whoever asks, and however many at a time.

    When there are too many bytes, what was unused for longest goes.
    """

    def __init__(self, max_bytes: int = NOTE_BYTES):
        self.max_bytes = max_bytes
        self._kept: OrderedDict[tuple, sfz.Note] = OrderedDict()
        self._making: dict[tuple, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: tuple, make: Callable[[], sfz.Note]) -> sfz.Note:
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        try:
            with making:
                kept = self.kept(key)
                if kept is None:
                    kept = make()
                    self._keep(key, kept)
                return kept
        finally:
            with self._lock:
                self._making.pop(key, None)

    def kept(self, key: tuple) -> sfz.Note | None:
        """A note that is there."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, key: tuple, made: sfz.Note) -> None:
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > 1 and sum(note.n_bytes for note in self._kept.values()) > self.max_bytes:
                self._kept.popitem(last=False)


notes = Notes()


def player(name: str) -> tuple:
    """A prior that knows notes, and its codec. Raises InputError, with those that are here."""
    known = {prior.name: (prior, codec) for prior, codec in models.with_label(sfz.PITCH)}
    if name not in known:
        raise InputError(f"No prior {name!r} plays notes here. Known: {', '.join(known)}." if known else NOBODY_PLAYS)
    return known[name]


def note_of(prior, codec, labels: dict[str, str], key: int, seconds: float, take: int) -> sfz.Note:
    """A note that is kept, or a new one. Raises InputError: a note or label that the prior does not know."""
    labels = sampling.known_labels(prior, labels)
    make = functools.partial(verbs.notes, codec, prior, [key], labels, seconds, take)
    return notes.get(_identity(prior, codec, labels, key, seconds, take), lambda: make()[0])


def notes_of(prior, codec, labels: dict[str, str], keys: list[int], seconds: float, take: int, on_step=None) -> list[sfz.Note]:
    """The notes of several keys, of which those that are missing are made together; `on_step` as for `verbs.notes`."""
    labels = sampling.known_labels(prior, labels)
    identities = {key: _identity(prior, codec, labels, key, seconds, take) for key in keys}
    missing = [key for key, identity in identities.items() if notes.kept(identity) is None]
    made = verbs.notes(codec, prior, missing, labels, seconds, take, on_step=on_step) if missing else []
    for note in made:
        notes.get(identities[note.key], lambda note=note: note)
    made = {note.key: note for note in made}
    return [made.get(key) or note_of(prior, codec, labels, key, seconds, take) for key in keys]


def _identity(prior, codec, labels: dict[str, str], key: int, seconds: float, take: int) -> tuple:
    """All that determines a note. Raises InputError: the prior does not know it."""
    sfz.label_of(prior, key)
    return prior.name, codec.encoder_fingerprint, tuple(sorted(labels.items())), key, round(seconds, 3), take


@wire.serves(wire.Message)
def players(request: wire.Message) -> dict:
    """The priors that know notes: their keys, their other labels, and which keys were heard with which labels."""
    titles = {name: title for title, name in models.titles()}
    found = [
        {
            "name": prior.name, "title": titles.get(codec.name, codec.name), "keys": list(sfz.keys_of(prior)),
            "labels": {kind: list(values) for kind, values in prior.labels.items() if kind != sfz.PITCH},
            "heard": heard_of(prior),
        }
        for prior, codec in models.with_label(sfz.PITCH)
    ]  # fmt: skip
    return {"players": found, "none": "" if found else NOBODY_PLAYS, "seconds": sfz.SECONDS}


def heard_of(prior) -> dict[str, dict[str, list[int]]] | None:
    """For each other label's values the keys of its training clips; None where the prior remembers none."""
    rows = getattr(prior, "example_labels", None)
    if rows is None or not len(rows):
        return None
    key_of = {value: key for key, value in sfz.keys_of(prior).items()}
    told: dict[str, dict[str, set[int]]] = {
        kind: {value: set() for value in values} for kind, values in prior.labels.items() if kind != sfz.PITCH
    }
    for row in rows.tolist():
        said = {kind: values[i] for (kind, values), i in zip(prior.labels.items(), row) if i < len(values)}
        key = key_of.get(said.pop(sfz.PITCH, ""))
        for kind, value in said.items() if key is not None else ():
            told[kind][value].add(key)
    return {kind: {value: sorted(found) for value, found in values.items()} for kind, values in told.items()}


@wire.serves(NoteRequest)
def note(request: NoteRequest) -> dict:
    """One note's sound."""
    prior, codec = player(request.prior)
    made = note_of(prior, codec, request.labels, request.key, request.seconds, request.take)
    return {"sound": wire.sound(made.sound), "sample_rate": codec.sample_rate}


@dataclass(frozen=True)
class Archive:
    """A sampler instrument, ready to be saved."""

    name: str
    data: bytes

    @property
    def n_bytes(self) -> int:
        return len(self.data)

    def told(self) -> dict:
        return {"name": self.name, "bytes": len(self.data)}


@wire.serves(SamplerRequest)
def sampler(request: SamplerRequest) -> dict:
    """Start an instrument of the notes from one key to another; `progress` tells how far it is, `archive` gives the file."""
    prior, codec = player(request.prior)
    keys = range_of(prior, request.labels, request.low, request.high)

    def work(job: jobs.Job) -> None:
        job.add(instrument(prior, codec, request.labels, keys, request.seconds, request.take, job))

    return {"job": jobs.start(jobs.Job(work, 1, ("sampler", prior.name))), "total": len(keys)}


def range_of(prior, labels: dict[str, str], low: int, high: int) -> list[int]:
    """The keys from one to another that a prior knows. Raises InputError as `sfz.notes` does, before anything is made."""
    sfz.notes(None, prior, low, high, sampling.known_labels(prior, labels))
    return [key for key in sfz.keys_of(prior) if low <= key <= high]


def instrument(prior, codec, labels: dict[str, str], keys: list[int], seconds: float, take: int, job=None) -> Archive:
    """Make the notes that are not there yet, and the ZIP."""

    def step(done: float, total: int, ids: None) -> None:
        if job:
            job.check()
            job.share = done / total

    made = notes_of(prior, codec, labels, keys, seconds, take, step)
    name = sfz.title(labels, prior.name)
    file = f"{name}-{name_of(keys[0])}-{name_of(keys[-1])}.zip".replace("#", "s")
    return Archive(file, sfz.sampler(made, codec.sample_rate, name, sfz.source(made, labels, prior.name)))


@wire.serves(inpainting.JobRequest)
def archive(request: inpainting.JobRequest) -> dict:
    """The file of a sampler job that is done."""
    found = [result for result in jobs.store.get(request.job).results if isinstance(result, Archive)]
    if not found:
        raise InputError("This instrument is not made yet.")
    return {"name": found[0].name, "type": "application/zip", "data": wire.text(found[0].data)}


def open_note(event: gr.EventData) -> tuple[dict, tuple[str, ...], str, str]:
    """A note as a clip for the map: (the map's value, what there is to say of it, the session's token, the model)."""
    sent = event._data if isinstance(event._data, dict) else {}
    asked = wire.validated(NoteRequest, {name: value for name, value in sent.items() if name in NoteRequest.model_fields})
    prior, codec = player(asked.prior)
    made = note_of(prior, codec, asked.labels, asked.key, asked.seconds, asked.take)
    bench = Workbench(codec, made.codes, " ".join([*asked.labels.values(), name_of(asked.key)]))
    token = handlers.store.put(bench)
    told = (f"{bench.title}, made by {prior.name}: {bench.n_samples / codec.sample_rate:.2f} s.",)
    return handlers.describe(token, bench), told, token, codec.name


FUNCTIONS = (players, note, sampler, archive, inpainting.progress, inpainting.cancel)
