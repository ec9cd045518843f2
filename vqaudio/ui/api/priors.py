"""The endpoints of the priors for programs: /generate, /inpaint, /score."""

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
PRIOR = "a prior of this app; empty for the usual model's first."
SAMPLING = """temperature: 0 (the likeliest) to 5; 1 samples as the prior believes, null as is usual for it.
        top_k: draw from the k likeliest codewords only; null for all.
        top_p: draw from the likeliest codewords that together have this probability; null for all.
        steps: sampling steps; null for the prior's usual number.
        guidance: how strongly the labels are insisted on; 1 is the prior itself, null what is usual for it.
        seed: 0 to 4,294,967,295; null draws one, and the answer tells it."""
NO_CELL = 'No cell is selected: give start_s and end_s in seconds, and stages such as "2-" if not all are meant.'
VARIATIONS = "variations: how many, 1 to 4, with this seed and the next ones; /decode gives the sound of each from the .vqa file."
MADE = """The sound of the first variation, the codes of all as a .vqa file, and as JSON: prior, seed, kept and changed cells
        of the first, and the same of each in a list, "variations"."""


def described(f):
    """Fill in what the docstrings of several endpoints say; Gradio tells programs what stands in them."""
    f.__doc__ = f.__doc__.format(prior=PRIOR, sampling=SAMPLING, variations=VARIATIONS, made=MADE)
    return f


@described
def generate(
    prior: str = "", labels: dict | None = None, seconds: float | None = None, temperature: float | None = None,
    top_k: int | None = None, top_p: float | None = None, steps: int | None = None, guidance: float | None = None,
    seed: int | None = None, variations: int = 1,
) -> tuple[tuple[int, np.ndarray], str, dict]:
    """Make a new clip.

    Args:
        prior: {prior}
        labels: what the clip is to be, such as digit "7", speaker "theo"; what is left out may be anything.
        seconds: its length, 0.1 to 10; null has it drawn from the training lengths.
        {sampling}
        {variations}

    Returns:
        {made}
    """
    with reading.plain_errors():
        found, codec = _found(prior)
        settings, n = _settings(found, labels, temperature, top_k, top_p, steps, guidance, seed), _count(variations)
        seconds = wire.validated(inpainting.Length, {"seconds": seconds}).seconds
        return _made(found, codec, sampling.generate(found, codec, settings, seconds, settings.seed, n))


@described
def inpaint(
    audio: str, start_s: float | None = None, end_s: float | None = None, stages: str = "", prior: str = "",
    labels: dict | None = None, temperature: float | None = None, top_k: int | None = None, top_p: float | None = None,
    steps: int | None = None, guidance: float | None = None, seed: int | None = None, rectangles: list | None = None,
    local: bool = False, variations: int = 1,
) -> tuple[tuple[int, np.ndarray], str, dict]:
    """Have a prior write some cells of a sound's codes; all others stay as they are.

    Args:
        audio: a sound file, at most 60 s.
        start_s: where the cells to write begin, seconds; null for the clip's beginning.
        end_s: where they end; null for the clip's end. At most 10 s after start_s.
        stages: which stages of them: "2-" is the second and finer, "1,3" those two, "4" the fourth; empty for all.
        prior: {prior}
        labels: what is said and by whom, such as digit "7"; what is left out may be anything.
        {sampling}
        rectangles: more cells to write, or others where no start, end and stages are given: a list of objects, each with
            start_s, end_s, stages and bands.
        local: whether the labels say what the cells are to become; else they say what the whole sound is.
        {variations}

    Returns:
        {made}
    """
    with reading.plain_errors():
        found, codec = _found(prior)
        settings, n = _settings(found, labels, temperature, top_k, top_p, steps, guidance, seed, local), _count(variations)
        codes = _codes(audio, codec)
        mask = mask_of(codes, _rectangles(codes, start_s, end_s, stages, rectangles))
        return _made(found, codec, sampling.fill(found, codes, mask, settings, settings.seed, n))


@described
def score(audio: str, prior: str = "", labels: dict | None = None) -> dict:
    """How surprised a prior is by each cell of a sound's codes.

    Args:
        audio: a sound file, at most 10 s.
        prior: {prior}
        labels: what is said and by whom, such as digit "7"; what is left out may be anything.

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
    prior: wire.Name = ""


def _found(name) -> tuple:
    """A prior and its codec; empty for the usual codec's first."""
    return models.prior_and_codec(wire.validated(PriorName, {"prior": name or ""}).prior)


def _settings(prior, labels, temperature=None, top_k=None, top_p=None, steps=None, guidance=None, seed=None, local=False):
    """Checked settings; a seed is drawn where none is given. JSON's numbers have no types: 3.0 is a whole number."""
    values = ({} if labels is None else labels, temperature, top_k, top_p, steps, guidance, seed, local or False)
    told = {name: int(v) if isinstance(v, float) and v.is_integer() else v for name, v in zip(SETTINGS, values)}
    settings = sampling.for_prior(prior, wire.validated(Settings, told))
    return settings if settings.seed is not None else settings.model_copy(update={"seed": sampling.new_seed()})


class Count(wire.Message):
    variations: Annotated[int, Field(ge=1, le=inpainting.VARIATIONS)] = 1


def _count(variations) -> int:
    return wire.validated(Count, {"variations": variations}).variations


def _codes(audio: str, codec: Codec) -> Codes:
    return verbs.encode(codec, reading.sound(audio, codec)[0])[0]


def _rectangles(codes: Codes, start_s, end_s, stages, rectangles) -> list[Rectangle]:
    """What a program says of the cells to write. Raises InputError: nothing, or what cannot be read."""
    parts = wire.validated(Mask, {"rectangles": [] if rectangles is None else rectangles}).rectangles
    if (start_s, end_s, stages or None) == (None, None, None):
        if not parts:
            raise InputError(NO_CELL)
        return parts
    whole = codes.columns / codes.spec.frame_rate
    one = {"start_s": 0.0 if start_s is None else start_s, "end_s": whole if end_s is None else end_s}
    return [*parts, wire.validated(Rectangle, one | {"stages": stages or None})]


def _made(prior, codec: Codec, made: list[Variation]) -> tuple[tuple[int, np.ndarray], str, dict]:
    folder = Path(get_upload_folder()) / secrets.token_hex(20)
    folder.mkdir(parents=True)
    write_vqa(folder / "codes.vqa", together([variation.codes for variation in made]), codec)
    described = [_described(variation) for variation in made]
    told = {"prior": prior.name, **described[0], "variations": described}
    return (codec.sample_rate, to_int16(verbs.decode(codec, made[0].codes, None))), str(folder / "codes.vqa"), told


def _described(made: Variation) -> dict:
    return {
        "seed": made.seed, "cells_kept": made.kept[0], "cells_outside_mask": made.kept[1],
        "cells_changed": made.changed[0], "cells_in_mask": made.changed[1],
    }  # fmt: skip


def add_endpoints() -> None:
    """Name the endpoints inside the current Blocks; their components are never shown."""
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
