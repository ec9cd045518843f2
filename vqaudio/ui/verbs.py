"""The verbs of the app: all that its models compute goes through one door.

At home a verb runs in this process, with the models on the app's device. On a Space with ZeroGPU it runs in a process that is
lent a graphics card for some seconds: the verb's name, the folders of its models, plain data and tensors of the CPU go there,
tensors of the CPU come back, and nothing is reported on the way. Random numbers are drawn on the CPU, so the same seed gives the
same ids.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import torch
from torch import Tensor

from vqaudio import devices, edits, sfz
from vqaudio.codes import Codes
from vqaudio.critics import critic_for
from vqaudio.errors import InputError
from vqaudio.model import Model
from vqaudio.randomness import seeded
from vqaudio.sampling import Sampling

try:
    import spaces
except ImportError:
    spaces = None

STARTING_S, MOST_S = 4.0, 60.0  # until a process has its card and the models; what is asked for at most
MAX_KEPT_STEPS = 32
OnStep = Callable[[int, int, Any], None]


class Reference(NamedTuple):
    """A model as it is sent to another process."""

    folder: Path
    name: str


class Verb(NamedTuple):
    work: Callable
    seconds: Callable[..., float]


_verbs: dict[str, Verb] = {}


def verb(seconds: Callable[..., float]):
    """Make a verb of `work(*asked, on_step=None)`.

    Args:
        seconds: of the same arguments, an estimate of what it takes on a graphics card.
    """

    def wrap(work):
        _verbs[work.__name__] = Verb(work, seconds)

        @functools.wraps(work)
        def run(*asked, **live):
            if lent():
                return _ask(work.__name__, asked)
            return work(*(devices.placed(one) if isinstance(one, Model) else one for one in asked), **live)

        return run

    return wrap


def _ask(name: str, asked: tuple):
    """A verb's answer from the process that has the card. Raises InputError, from there or where there is no card to be had."""
    sent = tuple(Reference(one.folder, one.name) if isinstance(one, Model) else one for one in asked)
    try:
        done, answer = on_card(name, sent)
    except gr.Error as error:  # ZeroGPU's own, such as a quota that is used up
        raise InputError(str(error.message)) from None
    if not done:
        raise InputError(answer)
    return answer


def duration(name: str, sent: tuple) -> int:
    """The seconds to ask a card for."""
    return round(min(MOST_S, STARTING_S + _verbs[name].seconds(*sent)))


def _on_card(name: str, sent: tuple) -> tuple[bool, Any]:
    """(True, the answer), or (False, the sentence of an InputError, which ZeroGPU would hide)."""
    asked = (devices.loaded(one.folder, one.name) if isinstance(one, Reference) else one for one in sent)
    try:
        return True, _verbs[name].work(*asked)
    except InputError as error:
        return False, str(error)


on_card = _on_card if spaces is None else spaces.GPU(duration=duration)(_on_card)


def lent() -> bool:
    """Whether the card is lent: on ZeroGPU. The decorator changes nothing anywhere else."""
    return on_card is not _on_card


def on_cpu() -> bool:
    """Whether all is computed on the CPU."""
    return not lent() and devices.pick().type == "cpu"


def prepare(models: list[Model]) -> None:
    """On ZeroGPU, load models on to the card, which it wants to be done before the app starts."""
    for model in models if lent() else ():
        devices.loaded(model.folder, model.name)


# --- the verbs ------------------------------------------------------------------------------------------------------------


@verb(lambda codec, audio: 2e-6 * audio.shape[-1])
def encode(codec, audio: Tensor) -> tuple[Codes, Tensor]:
    """The codes of audio [1, N], and the latents [1, D, T] that they were made from."""
    codes, latents = codec.encode_with_latents(audio[None])
    return codes.to("cpu"), latents.cpu()


@verb(lambda codec, codes, stages: 1e-3 * codes.columns)
def decode(codec, codes: Codes, stages: tuple[int, ...] | None) -> Tensor:
    """What some stages of one clip sound like: [N]."""
    return codec.decode(codes, stages)[0, 0].cpu()


@verb(lambda codec, codes, mask: 1e-3 * codes.columns)
def erase(codec, codes: Codes, mask: Tensor) -> Codes:
    """See `edits.erase`."""
    return edits.erase(codec, codes, mask).to("cpu")


@verb(lambda codes, mask, radius, strength: 1.0)
def blur(codes: Codes, mask: Tensor, radius: float, strength: float) -> Codes:
    """See `edits.blur`."""
    return edits.blur(codes, mask, radius, strength)


@verb(lambda prior, codes, mask, seeds, labels, local, sampling: 2 + 0.02 * (codes.columns + (sampling.steps or 32)))
def fill(
    prior, codes: Codes, mask: Tensor, seeds: tuple[int, int], labels: dict[str, str], local: bool, sampling: Sampling,
    on_step: OnStep | None = None,
) -> tuple[Codes, list[list[Tensor]]]:
    """Variations of one clip.

    Args:
        seeds: the first, and how many from there on.
        local: whether the labels are of the cells to write alone.
        sampling: see `Prior.fill`.
        on_step: called as on_step(done, total, [ids [K, T] of each variation]); what it raises ends the sampling.

    Returns:
        the codes, and for each variation its written cells after some of the steps; -1 is not decided yet.
    """
    described = {"local_labels": [(mask, labels)]} if local and labels else {"labels": labels or None}
    steps = _Steps(mask.expand(seeds[1], -1, -1), codes.valid.expand(seeds[1], -1), on_step)
    filled = prior.fill(codes, mask, generator=seeded(*seeds), on_step=steps, sampling=sampling, **described)
    return filled.to("cpu"), steps.kept


@verb(lambda codec, prior, labels, seconds, seeds, sampling: 2 + 2 * (seconds or 5))
def generate(
    codec, prior, labels: dict[str, str], seconds: float | None, seeds: tuple[int, int], sampling: Sampling,
    on_step: OnStep | None = None,
) -> tuple[Codes, list[list[Tensor]]]:
    """New clips; arguments and result as for `fill`. Their lengths are those of `prior.blank` with the same seeds."""
    generators = seeded(*seeds)
    blank = prior.blank(labels or None, seconds, generators)
    mask = blank.valid[:, None].expand_as(blank.ids)
    steps = _Steps(mask, blank.valid, on_step)
    critic = critic_for(codec, prior, labels)
    filled = prior.fill(blank, mask, labels or None, generator=generators, on_step=steps, critic=critic, sampling=sampling)
    return filled.to("cpu"), steps.kept


@verb(lambda prior, codes, labels: 2 + 0.02 * codes.columns)
def score(prior, codes: Codes, labels: dict[str, str]) -> Tensor:
    """The log-probability of each cell of one clip: [K, T]."""
    return prior.log_prob(codes, labels or None)[0].cpu()


@verb(lambda codec, prior, keys, labels, seconds, take: len(keys) * (1 + seconds))
def notes(
    codec, prior, keys: list[int], labels: dict[str, str], seconds: float, take: int, on_step: OnStep | None = None
) -> list[sfz.Note]:
    """The notes of some keys; `on_step(done, total, None)` counts a note as one."""
    made: list[sfz.Note] = []

    def step(done: int, total: int, ids: Tensor) -> None:
        if on_step:
            on_step(len(made) + done / max(1, total), len(keys), None)

    for key in keys:
        made.append(sfz.note(codec, prior, key, labels, seconds, take, on_step=step))
        step(0, 1, None)
    return made


class _Steps:
    """Keeps the written cells of clips after some of the steps, and passes each step on.

    Args:
        masks: [B, K, T] the cells to write.
        valid: [B, T].
    """

    def __init__(self, masks: Tensor, valid: Tensor, on_step: OnStep | None):
        self.masks, self.valid, self.on_step = masks, valid, on_step
        self.kept: list[list[Tensor]] = [[] for _ in masks]

    def __call__(self, done: int, total: int, ids: Tensor) -> None:
        if self.on_step:
            self.on_step(done, total, [one[:, real] for one, real in zip(ids, self.valid)])
        if total <= MAX_KEPT_STEPS or done == total or done * MAX_KEPT_STEPS // total > len(self.kept[0]):
            for kept, one, mask in zip(self.kept, ids, self.masks):
                kept.append(one[mask].to(torch.int32))
