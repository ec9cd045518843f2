"""The endpoints of sounds and models: /encode, /decode, /reconstruct, /models."""

import secrets
from pathlib import Path
from typing import Annotated

import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder
from pydantic import Field

from vqaudio.audio import to_int16
from vqaudio.codec import Codec
from vqaudio.masks import parse_stages
from vqaudio.pitches import word
from vqaudio.ui import models, reading, turns, verbs, wire
from vqaudio.ui.clip import exports
from vqaudio.vqa import write_vqa


def encode(audio: str, model: str = "") -> tuple[str, dict]:
    """Encode a sound to the codec's indices.

    Args:
        audio: a sound file (WAV, FLAC, OGG, MP3, M4A, WebM), at most 60 s.
        model: a codec of this app; empty for the default.

    Returns:
        The codes as a .vqa file, and as JSON: model, sample_rate_hz, samples, columns_per_second, stages, and ids [K][T].
    """
    with reading.plain_errors():
        codec = models.codec(wire.validated(Options, {"model": model or ""}).model)
        codes, _ = verbs.encode(codec, reading.sound(audio, codec)[0])
        folder = Path(get_upload_folder()) / secrets.token_hex(20)
        folder.mkdir(parents=True)
        write_vqa(folder / "codes.vqa", codes, codec)
        return str(folder / "codes.vqa"), exports.ids_as_json(codes, codec)


def decode(codes: str, stages: str = "", clip: int = 1) -> tuple[int, np.ndarray]:
    """Decode a .vqa file made by one of this app's models.

    Args:
        codes: a .vqa file, from /encode, /inpaint, the app or the command line.
        stages: how many stages, such as "3", or which, such as "1-4,7"; empty for all.
        clip: which clip of the file, if it holds several, such as the variations of /inpaint; the first is 1.

    Returns:
        The sound, 16-bit WAV at its true level.
    """
    with reading.plain_errors():
        options = wire.validated(Options, {"stages": stages or "", "clip": clip})
        return _decoded(*reading.codes(codes, options.clip), options)


def reconstruct(audio: str, stages: str = "", model: str = "") -> tuple[int, np.ndarray]:
    """Encode a sound and decode it again from some of the stages.

    Args:
        audio: a sound file (WAV, FLAC, OGG, MP3, M4A, WebM), at most 60 s.
        stages: how many stages, such as "3", or which, such as "1-4,7"; empty for all.
        model: a codec of this app; empty for the default.

    Returns:
        The sound, 16-bit WAV at its true level.
    """
    with reading.plain_errors():
        options = wire.validated(Options, {"stages": stages or "", "model": model or ""})
        codec = models.codec(options.model)
        codes, _ = verbs.encode(codec, reading.sound(audio, codec)[0])
        return _decoded(codec, codes, options)


def list_models() -> list[dict]:
    """List the models of this app, the default one first.

    Returns:
        For each codec its name, title, sample_rate_hz, stages, bits_per_second and priors; for each prior its name,
        likelihood (exact, pseudo, bound or none), sees_right (whether it uses the sound after a gap), and labels with
        their values.
    """
    with reading.plain_errors():
        titles = {name: title for title, name in models.titles()}
        return [
            {
                "name": codec.name, "title": titles.get(codec.name, codec.name), "sample_rate_hz": codec.sample_rate,
                "stages": len(codec.spec.stages), "bits_per_second": codec.spec.bits_per_second,
                "priors": [_prior(prior) for prior in models.priors(codec).values()],
            }
            for codec in models.loadable()
        ]  # fmt: skip


def _prior(prior) -> dict:
    labels = {kind: [word(kind, value) for value in values] for kind, values in prior.labels.items()}
    return {"name": prior.name, "likelihood": prior.likelihood, "sees_right": prior.sees_right, "labels": labels}


class Options(wire.Message):
    """The arguments of an endpoint besides the sound."""

    model: wire.Name = ""
    stages: wire.StagesText = ""
    clip: Annotated[int, Field(ge=1, le=reading.MOST_CLIPS)] = 1


def _decoded(codec: Codec, codes, options: Options) -> tuple[int, np.ndarray]:
    stages = parse_stages(options.stages.strip() or None, len(codes.spec.stages))
    return codec.sample_rate, to_int16(verbs.decode(codec, codes, stages))


def add_endpoints() -> None:
    """Add the endpoints to the current Blocks; their components are never shown."""
    sound_in = reading.only_uploads(gr.Audio(type="filepath", visible=False, label="Sound"))
    codes_in = reading.only_uploads(gr.File(type="filepath", file_types=[".vqa"], visible=False, label="Codes"))
    stages, model = gr.Textbox("", visible=False, label="Stages"), gr.Textbox("", visible=False, label="Model")
    sound_out, codes_out = gr.Audio(visible=False, format="wav", label="Sound"), gr.File(visible=False, label="Codes")
    ids_out = gr.JSON(visible=False, label="Indices")
    turns.endpoint(encode, [sound_in, model], [codes_out, ids_out])
    turns.endpoint(decode, [codes_in, stages, gr.Number(1, visible=False, label="Clip")], sound_out)
    turns.endpoint(reconstruct, [sound_in, stages, model], sound_out)
    turns.endpoint(list_models, None, gr.JSON(visible=False, label="Models"), name="models")
