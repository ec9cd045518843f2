"""A clip to compare, by two models or at two rates, and its server functions."""

import threading
from pathlib import Path
from typing import Annotated

import gradio as gr
import torch
from pydantic import Field
from torch import Tensor

from vqaudio import audio as audio_io
from vqaudio.analysis import colours
from vqaudio.errors import InputError
from vqaudio.evaluation.metrics import mel_l1, si_sdr
from vqaudio.ui import models, reading, wire
from vqaudio.ui.clip import pictures
from vqaudio.ui.clip.store import PAIR_BYTES, Store
from vqaudio.ui.clip.workbench import Workbench
from vqaudio.ui.panels import examples

NOTHING_OPEN = "Nothing is open yet. Open a recording in Studio, then compare it here at two bit rates or by two models."
store = Store(max_bytes=PAIR_BYTES)


class Pair:
    """A clip at the models' highest sample rate, encoded by each model on demand.

    Args:
        audio: [N] at `rate`.
        source: the file that it was read from, whether silence was cut, and the model to start with.
    """

    def __init__(self, audio: Tensor, rate: int, codecs: list, title: str, source: tuple[str, bool, str | None]):
        self.audio, self.rate, self.title, self.source = audio, rate, title, source
        self._codecs = {codec.name: codec for codec in codecs}
        self._benches: dict[str, Workbench] = {}
        self._lock = threading.Lock()

    @classmethod
    def read(cls, path: str, trim: bool, model: str | None = None) -> "Pair":
        """Read a sound file. Raises InputError if that fails, or no model can be loaded."""
        codecs = models.loadable()
        finest = max(codecs, key=lambda codec: codec.sample_rate)
        audio, _ = reading.sound(path, finest, trim)
        title = examples.title_of(Path(path))
        return cls(audio[0], finest.sample_rate, codecs, title, (path, trim, model))

    @property
    def n_bytes(self) -> int:
        return 4 * len(self.audio) + sum(bench.n_bytes for bench in list(self._benches.values()))

    def bench(self, model: str) -> Workbench:
        """The clip encoded by a model, once. Raises InputError if there is no such model."""
        if model not in self._codecs:
            raise InputError(f"There is no model {model!r} here. Known are {', '.join(self._codecs)}.")
        codec = self._codecs[model]
        with self._lock:
            if model not in self._benches:
                audio = self._at(self.audio, self.rate, codec.sample_rate)
                self._benches[model] = Workbench.from_audio(codec, audio[None], self.title)
            return self._benches[model]

    def quality(self, sound: Tensor, rate: int) -> dict[str, float] | None:
        """SI-SDR and mel distance to the original, at the pair's sample rate.

        So a model of a lower rate is charged for the frequencies it drops. None for a silent original.
        """
        if pictures.level_db(self.audio) is None:
            return None
        whole = self._at(sound, rate, self.rate)
        n = min(len(whole), len(self.audio))
        return {
            "si_sdr_db": si_sdr(self.audio[:n], whole[:n]),
            "mel_l1": mel_l1(self.audio[:n], whole[:n], self.rate),
        }

    def picture(self, sound: Tensor, rate: int) -> dict:
        """A spectrogram up to the pair's highest frequency; all share one scale."""
        decibel = pictures.spectrogram_db(self._at(sound, rate, self.rate), self.rate)
        top_db = max(-60.0, float(pictures.spectrogram_db(self.audio, self.rate).max()))
        return wire.picture(pictures.shades(decibel, top_db))

    def describe(self, token: str) -> dict:
        """Everything that the page needs before a side is decoded."""
        titles = {name: title for title, name in models.titles()}
        known = [
            {
                "name": name, "title": titles.get(name, name), "stages": len(codec.spec.stages), "rate": codec.sample_rate,
                "bits": [codec.spec.first(n + 1).bits_per_second for n in range(len(codec.spec.stages))],
            }
            for name, codec in self._codecs.items()
        ]  # fmt: skip
        return {
            "token": token, "title": self.title, "seconds": len(self.audio) / self.rate, "top_hz": self.rate / 2,
            "models": known, "model": self.source[-1],
        }  # fmt: skip

    @staticmethod
    def _at(sound: Tensor, rate: int, wanted: int) -> Tensor:
        return sound if rate == wanted else audio_io.load((rate, sound.clamp(-1, 1).numpy()), wanted)[0][0]


def open_pair(path: str | None, trim: bool, model: str | None, token: str | None):
    """Open the clip that is open in the code map.

    Returns:
        the component's value, and the session's new token.
    """
    if not path:
        store.drop(token)
        return {"empty": NOTHING_OPEN}, None
    source = (path, bool(trim), model)
    if token and any(kept == token and pair.source == source for kept, pair in store.things()):
        return gr.skip(), gr.skip()  # the same clip and model: a running test continues
    store.drop(token)
    try:
        with reading.plain_errors():
            pair = Pair.read(*source)
            token = store.put(pair)
            return pair.describe(token), token
    except gr.Error as error:
        return {"empty": error.message}, None


class SideRequest(wire.Request):
    """A model, and how many of its stages."""

    model: Annotated[str, Field(max_length=200)]
    stages: Annotated[int, Field(ge=1, le=64)]


@wire.serves(SideRequest)
def side(request: SideRequest) -> dict:
    """One side: the clip decoded from a model's first stages, at its true level."""
    pair = store.get(request.token)
    bench = pair.bench(request.model)
    codes = bench.codes.first(request.stages)
    sound, rate = bench.sound(tuple(range(request.stages))), bench.codec.sample_rate
    return {
        "model": request.model, "stages": request.stages, "sample_rate": rate, "sound": wire.sound(sound),
        "picture": pair.picture(sound, rate), "level_db": pictures.level_db(sound), "quality": pair.quality(sound, rate),
        "bits_per_second": codes.spec.bits_per_second, "rows": codes.spec.rows, "columns": codes.columns,
        "ids": wire.integers(codes.ids[0]), "vocab": codes.spec.vocab_of_row, "ranks": _ranks(bench, codes.spec),
    }  # fmt: skip


def _ranks(bench: Workbench, spec) -> str:
    """Each row's colours: for every codeword its position on the scale, row after row."""
    ranks = colours.colour_ranks(bench.codec)
    return wire.integers(torch.cat([torch.tensor(ranks[j]) for j in spec.stage_of_row]))


@wire.serves(wire.Request)
def reference(request: wire.Request) -> dict:
    """The original: its sound, picture and level."""
    pair = store.get(request.token)
    return {
        "sample_rate": pair.rate, "sound": wire.sound(pair.audio), "picture": pair.picture(pair.audio, pair.rate),
        "level_db": pictures.level_db(pair.audio),
    }  # fmt: skip


FUNCTIONS = (side, reference)
