"""The endpoint of the keyboard for programs: /sampler."""

import secrets
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder

from vqaudio import sfz
from vqaudio.pitches import key_of
from vqaudio.ui import models, playing, reading, wire
from vqaudio.ui.api.schemas import OBJECT, optional


def sampler(
    low: str = "C3", high: str = "C5", labels: dict | None = None, prior: str = "", seconds: float = sfz.SECONDS, take: int = 0
) -> str:
    """Make an instrument for samplers: the notes of a range by a prior that knows pitches.

    Args:
        low: the lowest note, such as C3, A#3 or 48.
        high: the highest note.
        labels: the other labels, such as instrument "flute"; what is left out may be anything.
        prior: a prior of this app that knows pitches; empty for the first.
        seconds: the length of each note, 0.1 to 10.
        take: 0 up; another number has every note made anew.

    Returns:
        A ZIP with a WAV for each note and an SFZ file.
    """
    with reading.plain_errors():
        known = [found.name for found, _ in models.with_label(sfz.PITCH)]
        asked = {
            "prior": str(prior or next(iter(known), "")), "labels": labels or {},
            "low": key_of(str(low)), "high": key_of(str(high)), "seconds": float(seconds), "take": int(take),
        }  # fmt: skip
        request = wire.validated(playing.SamplerRequest, asked)
        found, codec = playing.player(request.prior)
        keys = playing.range_of(found, request.labels, request.low, request.high)
        made = playing.instrument(found, codec, request.labels, keys, request.seconds, request.take)
        folder = Path(get_upload_folder()) / secrets.token_hex(20)
        folder.mkdir(parents=True)
        (folder / made.name).write_bytes(made.data)
        return str(folder / made.name)


def add_endpoints() -> None:
    """Name the endpoint inside the current Blocks; its components are never shown."""
    low, high = gr.Textbox("C3", visible=False, label="Low"), gr.Textbox("C5", visible=False, label="High")
    labels = optional(gr.JSON(visible=False, label="Labels"), OBJECT)
    prior = gr.Textbox("", visible=False, label="Prior")
    seconds = gr.Number(sfz.SECONDS, visible=False, label="Seconds")
    take = gr.Number(0, precision=0, visible=False, label="Take")
    gr.Button(visible=False).click(
        sampler, [low, high, labels, prior, seconds, take], gr.File(visible=False, label="Instrument"), api_name="sampler",
        concurrency_id="priors", concurrency_limit=1, show_progress="hidden",
    )
