"""The endpoints of the priors: /generate, /inpaint, /score."""

import secrets
from pathlib import Path
from typing import Annotated

import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder
from pydantic import Field

from vqaudio.audio import to_int16
from vqaudio.codec import Codec
from vqaudio.codes import Codes, together
from vqaudio.errors import InputError
from vqaudio.ui import models, pools, reading, turns, verbs, wire
from vqaudio.ui.api.schemas import LIST, NUMBER, OBJECT, optional
from vqaudio.ui.clip import inpainting, sampling
from vqaudio.ui.clip.sampling import Settings, Variation
from vqaudio.ui.clip.selection import Mask, Rectangle, mask_of
from vqaudio.vqa import write_vqa

SETTINGS = ("labels", "temperature", "top_k", "top_p", "steps", "guidance", "seed", "local")
PRIOR = "a prior of this app; empty for the default model's first."
SAMPLING = """temperature: 0 (always the most likely codeword) to 5; 1 samples from the prior's own distribution, null uses its
            default.
        top_k: sample from the k most likely codewords (top-k); null for all.
        top_p: sample from the most likely codewords that add up to this probability (top-p); null for all.
        steps: sampling steps; null for the prior's default.
        guidance: classifier-free guidance; 1 turns it off, more follows the labels more closely, null uses the prior's default.
        seed: 0 to 4,294,967,295; null draws one, and the answer contains it."""
NO_CELL = 'No cell is selected. Set start_s and end_s in seconds, and stages such as "2-" for only some of them.'
VARIATIONS = "variations: 1 to 4, with this seed and the next ones; /decode returns the sound of each from the .vqa file."
RESULT = """The sound of the first variation, the codes of all as a .vqa file, and as JSON: prior, seed, kept and changed cells
        of the first, and the same of each in a list, "variations"."""


def with_shared_texts(f):
    """Complete a docstring, which Gradio publishes, with the shared texts."""
    f.__doc__ = f.__doc__.format(prior=PRIOR, sampling=SAMPLING, variations=VARIATIONS, result=RESULT)
    return f


@with_shared_texts
def generate(
    prior: str = "", labels: dict | None = None, seconds: float | None = None, temperature: float | None = None,
    top_k: int | None = None, top_p: float | None = None, steps: int | None = None, guidance: float | None = None,
    seed: int | None = None, variations: int = 1,
) -> tuple[tuple[int, np.ndarray], str, dict]:
    """Generate a new clip.

    Args:
        prior: {prior}
        labels: of the clip, such as digit "7", speaker "theo"; leave out any that may vary.
        seconds: its length, 0.1 to 10; null draws one of the training lengths.
        {sampling}
        {variations}

    Returns:
        {result}
    """
    with reading.plain_errors():
        found, codec = _found(prior)
        settings, n = _settings(found, labels, temperature, top_k, top_p, steps, guidance, seed), _count(variations)
        seconds = wire.validated(inpainting.Length, {"seconds": seconds}).seconds
        return _answer(found, codec, sampling.generate(found, codec, settings, seconds, settings.seed, n))


@with_shared_texts
def inpaint(
    audio: str, start_s: float | None = None, end_s: float | None = None, stages: str = "", prior: str = "",
    labels: dict | None = None, temperature: float | None = None, top_k: int | None = None, top_p: float | None = None,
    steps: int | None = None, guidance: float | None = None, seed: int | None = None, rectangles: list | None = None,
    local: bool = False, variations: int = 1,
) -> tuple[tuple[int, np.ndarray], str, dict]:
    """Fill a selection of a sound's codes with a prior; other cells stay unchanged.

    Args:
        audio: a sound file, at most 60 s.
        start_s: where the selection starts, seconds; null for the clip's start.
        end_s: where it ends; null for the clip's end. At most 10 s after start_s.
        stages: the selected stages: "2-" is the second and finer, "1,3" those two, "4" the fourth; empty for all.
        prior: {prior}
        labels: of the sound, such as digit "7"; leave out any that may vary.
        {sampling}
        rectangles: further selections, or the only ones if start_s, end_s and stages are left out: a list of objects, each
            with start_s, end_s, stages and bands.
        local: whether the labels describe the filled selection; else they describe the whole sound.
        {variations}

    Returns:
        {result}
    """
    with reading.plain_errors():
        found, codec = _found(prior)
        settings, n = _settings(found, labels, temperature, top_k, top_p, steps, guidance, seed, local), _count(variations)
        codes = _codes(audio, codec)
        mask = mask_of(codes, _rectangles(codes, start_s, end_s, stages, rectangles))
        return _answer(found, codec, sampling.fill(found, codes, mask, settings, settings.seed, n))


@with_shared_texts
def score(audio: str, prior: str = "", labels: dict | None = None) -> dict:
    """Measure how much each cell of a sound's codes surprises a prior.

    Args:
        audio: a sound file, at most 10 s.
        prior: {prior}
        labels: of the sound, such as digit "7"; leave out any that may vary.

    Returns:
        prior, likelihood (exact or pseudo), total_bits, and bits [K][T], each cell's -log2 probability.
    """
    with reading.plain_errors():
        found, codec = _found(prior)
        settings = _settings(found, labels)
        bits = inpainting.surprise(found, _codes(audio, codec), settings.labels)
        return {
            "prior": found.name, "likelihood": found.likelihood, "total_bits": round(float(bits.sum()), 3),
            "bits": [[round(value, 4) for value in row] for row in bits.tolist()],
        }  # fmt: skip


class PriorName(wire.Message):
    """The name of a prior; empty for the default."""

    prior: wire.Name = ""


def _found(name) -> tuple:
    """A prior and its codec; empty for the default codec's first."""
    return models.prior_and_codec(wire.validated(PriorName, {"prior": name or ""}).prior)


def _settings(prior, labels, temperature=None, top_k=None, top_p=None, steps=None, guidance=None, seed=None, local=False):
    """Check the sampling settings, and draw a seed if there is none."""
    values = ({} if labels is None else labels, temperature, top_k, top_p, steps, guidance, seed, local or False)
    # JSON has one type of number: 3.0 is a whole number too.
    named = {name: int(v) if isinstance(v, float) and v.is_integer() else v for name, v in zip(SETTINGS, values)}
    settings = sampling.for_prior(prior, wire.validated(Settings, named))
    return settings if settings.seed is not None else settings.model_copy(update={"seed": sampling.new_seed()})


class Count(wire.Message):
    """A number of variations."""

    variations: Annotated[int, Field(ge=1, le=inpainting.VARIATIONS)] = 1


def _count(variations) -> int:
    return wire.validated(Count, {"variations": variations}).variations


def _codes(audio: str, codec: Codec) -> Codes:
    return verbs.encode(codec, reading.sound(audio, codec)[0])[0]


def _rectangles(codes: Codes, start_s, end_s, stages, rectangles) -> list[Rectangle]:
    """The selected rectangles. Raises InputError if there is none, or one is invalid."""
    parts = wire.validated(Mask, {"rectangles": [] if rectangles is None else rectangles}).rectangles
    if (start_s, end_s, stages or None) == (None, None, None):
        if not parts:
            raise InputError(NO_CELL)
        return parts
    whole = codes.columns / codes.spec.frame_rate
    one = {"start_s": 0.0 if start_s is None else start_s, "end_s": whole if end_s is None else end_s}
    return [*parts, wire.validated(Rectangle, one | {"stages": stages or None})]


def _answer(prior, codec: Codec, made: list[Variation]) -> tuple[tuple[int, np.ndarray], str, dict]:
    folder = Path(get_upload_folder()) / secrets.token_hex(20)
    folder.mkdir(parents=True)
    write_vqa(folder / "codes.vqa", together([variation.codes for variation in made]), codec)
    described = [_described(variation) for variation in made]
    recipe = {"prior": prior.name, **described[0], "variations": described}
    return (codec.sample_rate, to_int16(verbs.decode(codec, made[0].codes, None))), str(folder / "codes.vqa"), recipe


def _described(made: Variation) -> dict:
    return {
        "seed": made.seed, "cells_kept": made.kept[0], "cells_outside_mask": made.kept[1],
        "cells_changed": made.changed[0], "cells_in_mask": made.changed[1],
    }  # fmt: skip


def add_endpoints() -> None:
    """Add the endpoints to the current Blocks; their components are never shown."""
    sound_in = reading.only_uploads(gr.Audio(type="filepath", visible=False, label="Sound"))
    rectangles = optional(gr.JSON(visible=False, label="Rectangles"), LIST)
    labels = optional(gr.JSON(visible=False, label="Labels"), OBJECT)
    prior, local = gr.Textbox("", visible=False, label="Prior"), gr.Checkbox(False, visible=False, label="Local")

    def numbers(**values) -> list:
        labels = {name.replace("_", " ").capitalize(): value for name, value in values.items()}
        return [optional(gr.Number(value, visible=False, label=label), NUMBER) for label, value in labels.items()]

    seconds = numbers(seconds=None)
    chosen = numbers(temperature=None, top_k=None, top_p=None, steps=None, guidance=None, seed=None)
    place = [*numbers(start_s=None, end_s=None), gr.Textbox("", visible=False, label="Stages")]
    out = [
        gr.Audio(visible=False, format="wav", label="Sound"), gr.File(visible=False, label="Codes"),
        gr.JSON(visible=False, label="Recipe"),
    ]  # fmt: skip
    count = gr.Number(1, visible=False, label="Variations")
    turns.endpoint(generate, [prior, labels, *seconds, *chosen, count], out, pools.sampling)
    turns.endpoint(inpaint, [sound_in, *place, prior, labels, *chosen, rectangles, local, count], out, pools.sampling)
    turns.endpoint(score, [sound_in, prior, labels], gr.JSON(visible=False, label="Surprise"), pools.sampling)
