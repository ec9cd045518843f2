"""The endpoints for programs: /encode, /decode, /reconstruct. `gradio_client` and MCP clients can call them."""

import secrets
from pathlib import Path

import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder

from vqaudio.audio import to_int16
from vqaudio.codec import Codec
from vqaudio.codes import parse_stages
from vqaudio.errors import InputError
from vqaudio.ui import gpu, models, reading
from vqaudio.ui.clip import exports
from vqaudio.vqa import write_vqa


def encode(audio: str, model: str = "") -> tuple[str, dict]:
    """Encode a sound to the codec's indices.

    Args:
        audio: a sound file (WAV, FLAC, OGG, MP3, M4A, WebM), at most 60 s.
        model: a codec of this app; empty for the usual one.

    Returns:
        The codes as a .vqa file, and as JSON: model, sample_rate_hz, samples, columns_per_second, stages, and ids [K][T].
    """
    with reading.plain_errors():
        codec = models.codec(model)
        codes, _ = gpu.encoded(codec.name, reading.sound(audio, codec)[0])
        folder = Path(get_upload_folder()) / secrets.token_hex(20)
        folder.mkdir(parents=True)
        write_vqa(folder / "codes.vqa", codes, codec)
        return str(folder / "codes.vqa"), exports.ids_as_json(codes, codec)


def decode(codes: str, stages: str = "") -> tuple[int, np.ndarray]:
    """Decode a .vqa file that one of this app's models made.

    Args:
        codes: a .vqa file, from /encode, the app or the command line.
        stages: how many stages, such as "3", or which, such as "1-4,7"; empty for all.

    Returns:
        The sound, 16-bit WAV at the level that it has.
    """
    with reading.plain_errors():
        return _decoded(*reading.codes(codes), stages)


def reconstruct(audio: str, stages: str = "", model: str = "") -> tuple[int, np.ndarray]:
    """Encode a sound and decode it again from some of the stages.

    Args:
        audio: a sound file (WAV, FLAC, OGG, MP3, M4A, WebM), at most 60 s.
        stages: how many stages, such as "3", or which, such as "1-4,7"; empty for all.
        model: a codec of this app; empty for the usual one.

    Returns:
        The sound, 16-bit WAV at the level that it has.
    """
    with reading.plain_errors():
        codec = models.codec(model)
        codes, _ = gpu.encoded(codec.name, reading.sound(audio, codec)[0])
        return _decoded(codec, codes, stages)


def _decoded(codec: Codec, codes, stages: str) -> tuple[int, np.ndarray]:
    return codec.sample_rate, to_int16(codec.decode(codes, _stages(stages, len(codes.spec.stages))))


def _stages(text: str, n: int) -> tuple[int, ...] | None:
    """Stages as the command line takes them; empty for all."""
    if not isinstance(text, str) or len(text) > 200:
        raise InputError('Stages are a text such as "3" or "1-4,7"; empty for all.')
    return parse_stages(text.strip() or None, n)


def add_endpoints() -> None:
    """Name the endpoints inside the current Blocks; their components are never shown."""
    sound_in = reading.only_uploads(gr.Audio(type="filepath", visible=False, label="Sound"))
    codes_in = reading.only_uploads(gr.File(type="filepath", file_types=[".vqa"], visible=False, label="Codes"))
    stages, model = gr.Textbox("", visible=False, label="Stages"), gr.Textbox("", visible=False, label="Model")
    sound_out, codes_out = gr.Audio(visible=False, format="wav", label="Sound"), gr.File(visible=False, label="Codes")
    ids_out = gr.JSON(visible=False, label="Indices")
    settings = {"concurrency_id": "codec", "concurrency_limit": 2, "show_progress": "hidden"}
    gr.Button(visible=False).click(encode, [sound_in, model], [codes_out, ids_out], api_name="encode", **settings)
    gr.Button(visible=False).click(decode, [codes_in, stages], sound_out, api_name="decode", **settings)
    gr.Button(visible=False).click(reconstruct, [sound_in, stages, model], sound_out, api_name="reconstruct", **settings)
