"""Server functions that open clips: examples, uploads, and earlier clips."""

import logging
import threading
from collections import OrderedDict, deque
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field
from torch import Tensor

from vqaudio import audio as audio_io
from vqaudio.audio import InputReport
from vqaudio.codec import Codec
from vqaudio.errors import InputError
from vqaudio.ui import models, pools, reading, verbs, wire
from vqaudio.ui.clip.handlers import describe, store
from vqaudio.ui.clip.workbench import Origin, Workbench
from vqaudio.ui.panels import examples, fit, report

CLIPS_PER_PAGE = 8  # that a page can go back to
PAGES = 200
NO_SILENCE = "There is no silence to cut: the recording starts and ends with sound."
NO_RECORDING = "This clip has no recording: only its codes are known."
_log = logging.getLogger(__name__)


class ExampleRequest(wire.Message):
    model: wire.Name = ""
    example: wire.Name = ""


class FileRequest(wire.Message):
    path: Annotated[str, Field(min_length=1, max_length=4096)]
    model: wire.Name = ""


class ModelRequest(wire.Request):
    model: wire.Name


class Shelf:
    """The last clips of each page; older ones are dropped from the store."""

    def __init__(self, per_page: int = CLIPS_PER_PAGE):
        self._per_page, self._lock = per_page, threading.Lock()
        self._tokens: OrderedDict[str, deque[str]] = OrderedDict()

    def add(self, token: str) -> None:
        """Keep a clip for the page that is served now."""
        page = pools.session.get()
        with self._lock:
            tokens = self._tokens.setdefault(page, deque())
            self._tokens.move_to_end(page)
            if token in tokens:
                tokens.remove(token)
            tokens.append(token)
            old = [tokens.popleft() for _ in range(len(tokens) - self._per_page)]
            while len(self._tokens) > PAGES:
                self._tokens.popitem(last=False)
        for each in old:
            store.drop(each)


shelf = Shelf()


@wire.serves(wire.Message, quick=True)
def list_examples(request: wire.Message) -> dict:
    """The examples of all models, in the picker's order."""
    return {"groups": [{"model": group.model, "title": group.title, "clips": group.clips} for group in examples.groups()]}


@wire.serves(ExampleRequest)
def open_example(request: ExampleRequest) -> dict:
    """Open an example of a model; its first one if the name is empty or unknown."""
    model = request.model if request.model in models.names() else next(iter(models.names()), "")
    found = examples.of_model(model)
    if not found:
        return {"model": model, "clip": None}
    name = request.example if request.example in found else next(iter(found))
    return _opened(_example_bench(model, name))


@wire.serves(FileRequest)
def open_file(request: FileRequest) -> dict:
    """Open an uploaded sound, or the codes of an uploaded .vqa file."""
    path = reading.uploaded(request.path)
    if path.suffix.lower() == ".vqa":
        return _opened(_from_codes(path))
    return _opened(_from_sound(path, models.codec(request.model)))


@wire.serves(wire.Request, quick=True)
def reopen(request: wire.Request) -> dict:
    """A clip that the page had before it was reloaded, with its edits."""
    bench = store.get(request.token)
    shelf.add(request.token)
    return {"model": bench.codec.name, "clip": describe(request.token, bench)}


@wire.serves(ModelRequest)
def switch_model(request: ModelRequest) -> dict:
    """Encode the recording with another model; without one, open an example."""
    bench = store.get(request.token)
    if bench.original is None:
        return open_example.handle(ExampleRequest(model=request.model))
    return _opened(_again(bench, models.codec(request.model), bench.origin.trimmed))


@wire.serves(wire.Request)
def cut_silence(request: wire.Request) -> dict:
    """Encode the recording again without the silence at both ends."""
    bench = store.get(request.token)
    if bench.original is None:
        raise InputError(NO_RECORDING)
    cut = _again(bench, bench.codec, trim=True)
    seconds = (bench.n_samples - cut.n_samples) / bench.codec.sample_rate
    if seconds <= 0:
        raise InputError(NO_SILENCE)
    return {"seconds": seconds, **_opened(cut)}


def describe_note(token: str, sentences: tuple[str, ...]) -> dict:
    """A note of the Instrument tab, as the page draws a clip."""
    bench = store.get(token)
    bench.origin = Origin(generated=True)
    bench.report = report.of_codes(sentences) + report.limits(models.limits(bench.codec))
    shelf.add(token)
    return describe(token, bench)


def _opened(bench: Workbench) -> dict:
    token = store.put(bench)
    shelf.add(token)
    return {"model": bench.codec.name, "clip": describe(token, bench)}


def _from_sound(path: Path, codec: Codec, trim: bool = False, title: str = "", example: str = "") -> Workbench:
    audio, facts_of_file = reading.sound(str(path), codec, trim)
    seconds = audio.shape[-1] / codec.sample_rate
    phones = () if trim else examples.phones_of(path, seconds)
    origin = Origin(path, example, examples.speaker_of(path), phones, trim)
    return _encoded(codec, audio, facts_of_file, title or path.stem, origin)


def _again(bench: Workbench, codec: Codec, trim: bool) -> Workbench:
    """The recording of a clip, encoded again: from its file, or from the clip's own sound where the file was removed."""
    origin = bench.origin
    if origin.path is not None and origin.path.is_file():
        return _from_sound(origin.path, codec, trim, bench.title, origin.example)
    sound = (bench.codec.sample_rate, bench.original.numpy())
    audio, facts_of_file = audio_io.load(sound, codec.sample_rate, trim=trim)
    kept = replace(origin, path=None, phones=() if trim else origin.phones, trimmed=trim)
    return _encoded(codec, audio, facts_of_file, bench.title, kept)


def _encoded(codec: Codec, audio: Tensor, facts_of_file: InputReport, title: str, origin: Origin) -> Workbench:
    codes, latents = verbs.encode(codec, audio)
    bench = Workbench(codec, codes, title, audio[0], latents[0], origin)
    bench.report = report.of_sound(facts_of_file) + _model_report(bench)
    return bench


def _from_codes(path: Path) -> Workbench:
    codec, codes = reading.codes(str(path))
    bench = Workbench(codec, codes, path.stem)
    seconds = bench.n_samples / codec.sample_rate
    size = f"{path.name} holds the codes of {seconds:.2f} s: {codes.columns} columns of {codes.spec.rows} codes."
    bench.report = report.of_codes((size, "It holds no recording, so there is nothing to compare with.")) + _model_report(bench)
    return bench


def _model_report(bench: Workbench) -> str:
    return fit.view(bench) + report.limits(models.limits(bench.codec))


def _example_bench(model: str, name: str) -> Workbench:
    """A new clip of an example that was encoded before; all share its sound and codes."""
    first = _encoded_example(models.codec(model), name)
    bench = Workbench(first.codec, first.codes, first.title, first.original, first.latents, first.origin)
    bench.report = first.report
    return bench


@cache
def _encoded_example(codec: Codec, name: str) -> Workbench:
    path, title = examples.of_model(codec.name)[name]
    return _from_sound(path, codec, title=title, example=name)


def warm() -> None:
    """Encode and decode the first example, so that the first visitor need not wait."""
    try:
        for model in models.names()[:1]:
            for name in [*examples.of_model(model)][:1]:
                bench = _encoded_example(models.codec(model), name)
                for first in range(bench.n_stages, 0, -1):
                    bench.sound(tuple(range(first)))
    except Exception as error:  # whoever opens the page gets the sentence
        _log.warning("the first example was not encoded: %s", error)


FUNCTIONS = (list_examples, open_example, open_file, reopen, switch_model, cut_silence)
