"""Everything that the app's models compute: its verbs.

A verb takes models, plain data and CPU tensors, and returns CPU tensors, so that it can run in another process, with references
in place of the models. Random numbers are drawn on the CPU: the same seed gives the same ids everywhere.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vqaudio import devices, edits, gibbs, sfz
from vqaudio.codes import Codes
from vqaudio.critics import critic_for
from vqaudio.model import Model
from vqaudio.randomness import seeded
from vqaudio.sampling import Sampling

MAX_KEPT_STEPS = 32
OnStep = Callable[[int, int, Any], None]


class Reference(NamedTuple):
    """A model, as sent to another process."""

    folder: Path
    name: str


class Verb(NamedTuple):
    """A computation.

    Attributes:
        work: called with the arguments, and `on_step` if it has one.
        gpu_s: of the same arguments; estimates the seconds on a GPU.
        samples: whether it draws from a prior step by step.
    """

    work: Callable
    gpu_s: Callable[..., float]
    samples: bool


VERBS: dict[str, Verb] = {}


def verb(gpu_s: Callable[..., float], samples: bool = False):
    """Make a function a verb; see `Verb`."""

    def wrap(work):
        VERBS[work.__name__] = Verb(work, gpu_s, samples)
        return work

    return wrap


def sent(arguments: tuple) -> tuple:
    """The arguments of a verb as another process gets them."""
    return tuple(Reference(one.folder, one.name) if isinstance(one, Model) else one for one in arguments)


def run_sent(name: str, arguments: tuple, **live):
    """Run a verb on arguments that were sent; each model is loaded once."""
    received = (devices.loaded(one.folder, one.name) if isinstance(one, Reference) else one for one in arguments)
    return VERBS[name].work(*received, **live)


@verb(lambda codec, audio: 2e-6 * audio.shape[-1])
def encode(codec, audio: Tensor) -> tuple[Codes, Tensor]:
    """Encode audio [1, N]; returns the codes and the latents [1, D, T]."""
    codes, latents = codec.encode_with_latents(audio[None])
    return codes.to("cpu"), latents.cpu()


@verb(lambda codec, codes, stages, speaker="": 1e-3 * codes.columns)
def decode(codec, codes: Codes, stages: tuple[int, ...] | None, speaker: str = "") -> Tensor:
    """Decode some stages of one clip, from 0; None for all. Returns [N].

    Args:
        speaker: whose voice; empty for a decoder without speakers, or none in particular.
    """
    labels = {"labels": {"speaker": speaker}} if speaker else {}
    return codec.decode(codes, stages, **labels)[0, 0].cpu()


@verb(lambda codec, audio, speaker: 2e-6 * audio.shape[-1])
def convert(codec, audio: Tensor, speaker: str) -> Tensor:
    """Say audio [1, N] in the voice of a speaker that the codec knows. Returns [N]."""
    return codec.decode(codec.encode(audio[None]), labels={"speaker": speaker})[0, 0].cpu()


@verb(lambda codec, codes, mask: 1e-3 * codes.columns)
def erase(codec, codes: Codes, mask: Tensor) -> Codes:
    """See `edits.erase`."""
    return edits.erase(codec, codes, mask).to("cpu")


@verb(lambda codes, mask, radius, strength: 1.0)
def smear(codes: Codes, mask: Tensor, radius: float, strength: float) -> Codes:
    """See `edits.smear`."""
    return edits.smear(codes, mask, radius, strength)


@verb(lambda prior, codes, mask, radius, strength: 2 + 0.02 * codes.columns, samples=True)
def blur(prior, codes: Codes, mask: Tensor, radius: float, strength: float) -> Codes:
    """See `gibbs.blur`."""
    return gibbs.blur(prior, codes, mask, radius, strength).to("cpu")


@verb(
    lambda prior, codes, mask, seeds, labels, local, sampling: 2 + 0.02 * (codes.columns + (sampling.steps or 32)), samples=True
)
def fill(
    prior, codes: Codes, mask: Tensor, seeds: tuple[int, int], labels: dict[str, str], local: bool, sampling: Sampling,
    on_step: OnStep | None = None,
) -> tuple[Codes, list[list[Tensor]]]:
    """Fill the masked cells of one clip, several times.

    Args:
        seeds: the first seed, and the number of variations; each takes the next seed.
        local: whether the labels describe the masked cells only.
        sampling: see `Prior.fill`.
        on_step: called as on_step(done, total, [ids [K, T] of each variation]); an exception in it ends the sampling.

    Returns:
        the codes, and for each variation its masked cells after some of the steps; -1 is undecided.
    """
    described = {"local_labels": [(mask, labels)]} if local and labels else {"labels": labels or None}
    steps = _Steps(mask.expand(seeds[1], -1, -1), codes.valid.expand(seeds[1], -1), on_step)
    filled = prior.fill(codes, mask, generator=seeded(*seeds), on_step=steps, sampling=sampling, **described)
    return filled.to("cpu"), steps.kept


@verb(lambda codec, prior, labels, seconds, seeds, sampling: 2 + 2 * (seconds or 5), samples=True)
def generate(
    codec, prior, labels: dict[str, str], seconds: float | None, seeds: tuple[int, int], sampling: Sampling,
    on_step: OnStep | None = None,
) -> tuple[Codes, list[list[Tensor]]]:
    """Generate new clips, as long as `prior.blank` with the same seeds; see `fill`."""
    generators = seeded(*seeds)
    blank = prior.blank(labels or None, seconds, generators)
    mask = blank.valid[:, None].expand_as(blank.ids)
    steps = _Steps(mask, blank.valid, on_step)
    critic = critic_for(codec, prior, labels)
    filled = prior.fill(blank, mask, labels or None, generator=generators, on_step=steps, critic=critic, sampling=sampling)
    return filled.to("cpu"), steps.kept


@verb(lambda prior, codes, labels: 2 + 0.02 * codes.columns, samples=True)
def score(prior, codes: Codes, labels: dict[str, str]) -> Tensor:
    """The log-probability of each cell of one clip: [K, T]."""
    return prior.log_prob(codes, labels or None)[0].cpu()


@verb(lambda network, source, question, time: 1.0)
def ask(network, source: Tensor, question: str, time: bool):
    """Answer a question about audio [1, 1, N] or a picture [H, W, 3].

    Args:
        time: whether the network gets the time coordinate.
    """
    switched = network.with_coordinates(network.config.row_coordinate, time and network.config.column_coordinate)
    return switched.ask(source, question)


@verb(lambda codec, prior, keys, labels, seconds, take: len(keys) * (1 + seconds), samples=True)
def notes(
    codec, prior, keys: list[int], labels: dict[str, str], seconds: float, take: int, on_step: OnStep | None = None
) -> list[sfz.Note]:
    """Generate the notes of some keys; `on_step(done, total, None)` counts notes."""
    made: list[sfz.Note] = []

    def step(done: int, total: int, ids: Tensor) -> None:
        if on_step:
            on_step(len(made) + done / max(1, total), len(keys), None)

    for key in keys:
        made.append(sfz.note(codec, prior, key, labels, seconds, take, on_step=step))
        step(0, 1, None)
    return made


class _Steps:
    """Records the masked cells of clips after some of the steps; forwards every step.

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
