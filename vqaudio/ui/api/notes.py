"""The endpoint /sampler: sampler instruments for programs."""

import secrets
from pathlib import Path
from typing import Annotated

import gradio as gr
from gradio.utils import get_upload_folder
from pydantic import Field

from vqaudio import sfz
from vqaudio.pitches import key_of
from vqaudio.ui import models, pools, reading, turns, wire
from vqaudio.ui.api.schemas import OBJECT, optional
from vqaudio.ui.keyboard import notes
from vqaudio.ui.keyboard.handlers import Performance


def sampler(
    low: str = "C3", high: str = "C5", labels: dict | None = None, prior: str = "", seconds: float = sfz.SECONDS, take: int = 0
) -> str:
    """Generate a range of notes as a sampler instrument.

    Args:
        low: the lowest note, such as C3, A#3 or 48.
        high: the highest note.
        labels: the other labels, such as instrument "flute"; leave out any that may vary.
        prior: a prior of this app that knows pitches; empty for the first.
        seconds: the length of each note, 0.1 to 10.
        take: 0 up; another number regenerates every note.

    Returns:
        A ZIP with a WAV for each note and an SFZ file.
    """
    with reading.plain_errors():
        values = {"low": low, "high": high, "labels": labels, "prior": prior, "seconds": seconds, "take": take}
        request = wire.validated(SamplerCall, {name: value for name, value in values.items() if value is not None})
        known = [found.name for found, _ in models.with_label(sfz.PITCH)]
        found, codec = notes.player(request.prior or next(iter(known), ""))
        keys = notes.keys_between(found, request.labels, key_of(request.low), key_of(request.high))
        made = notes.instrument(found, codec, request.labels, keys, request.seconds, request.take)
        folder = Path(get_upload_folder()) / secrets.token_hex(20)
        folder.mkdir(parents=True)
        (folder / made.name).write_bytes(made.data)
        return str(folder / made.name)


class SamplerCall(Performance):
    """The arguments of /sampler; None leaves one out."""

    prior: wire.Name = ""
    low: Annotated[str, Field(max_length=10)] = "C3"
    high: Annotated[str, Field(max_length=10)] = "C5"


def add_endpoints() -> None:
    """Add the endpoint to the current Blocks; its components are never shown."""
    low, high = gr.Textbox("C3", visible=False, label="Low"), gr.Textbox("C5", visible=False, label="High")
    labels = optional(gr.JSON(visible=False, label="Labels"), OBJECT)
    prior = gr.Textbox("", visible=False, label="Prior")
    seconds = gr.Number(sfz.SECONDS, visible=False, label="Seconds")
    take = gr.Number(0, precision=0, visible=False, label="Take")
    turns.endpoint(
        sampler, [low, high, labels, prior, seconds, take], gr.File(visible=False, label="Instrument"), pools.sampling
    )
