"""The endpoint of voice conversion: /convert."""

import gradio as gr
import numpy as np

from vqaudio.audio import to_int16
from vqaudio.codec import Codec
from vqaudio.errors import InputError
from vqaudio.ui import models, reading, turns, verbs, wire


def convert(audio: str, speaker: str, model: str = "") -> tuple[int, np.ndarray]:
    """Say a recording's sentence in the voice of another speaker.

    Args:
        audio: a sound file (WAV, FLAC, OGG, MP3, M4A, WebM), at most 60 s.
        speaker: one that the codec knows, such as "vctk-p239"; an unknown one is answered with the list.
        model: a codec of this app whose decoder knows speakers; empty for the first.

    Returns:
        The sound, 16-bit WAV, as long as the recording.
    """
    with reading.plain_errors():
        options = wire.validated(Options, {"speaker": speaker or "", "model": model or ""})
        codec = models.codec(options.model) if options.model else _first()
        sound = verbs.convert(codec, reading.sound(audio, codec)[0], options.speaker)
        return codec.sample_rate, to_int16(sound)


class Options(wire.Message):
    """The arguments besides the sound."""

    speaker: wire.Name = ""
    model: wire.Name = ""


def _first() -> Codec:
    """The first codec that knows speakers. Raises InputError if there is none."""
    found = next((codec for codec in models.loadable() if "speaker" in codec.decoder_labels), None)
    if found is None:
        raise InputError("No model here knows speakers. Put a speech codec into weights/.")
    return found


def add_endpoints() -> None:
    """Add the endpoint to the current Blocks; its components are never shown."""
    sound_in = reading.only_uploads(gr.Audio(type="filepath", visible=False, label="Sound"))
    speaker, model = gr.Textbox("", visible=False, label="Speaker"), gr.Textbox("", visible=False, label="Model")
    turns.endpoint(convert, [sound_in, speaker, model], gr.Audio(visible=False, format="wav", label="Sound"))
