"""The app's verbs: everything that its models compute.

Usually a verb runs in this process, on the app's device. On a Space with ZeroGPU it runs in a process that borrows a GPU for a
few seconds: the verb's name, its models' folders, plain data and CPU tensors go there, CPU tensors come back, and there is no
progress in between. Random numbers are drawn on the CPU, so the same seed gives the same ids.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import torch
from torch import Tensor

from vqaudio import devices, edits, gibbs, sfz
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

STARTING_S, MOST_S = 4.0, 60.0  # for the GPU and the models to be ready; the longest reservation
MAX_KEPT_STEPS = 32
OnStep = Callable[[int, int, Any], None]


class Reference(NamedTuple):
    """A model, as sent to another process."""

    folder: Path
    name: str


class Verb(NamedTuple):
    """A computation, and an estimate of its seconds on a GPU."""

    work: Callable
    seconds: Callable[..., float]


_verbs: dict[str, Verb] = {}


def verb(seconds: Callable[..., float]):
    """Make a verb of `work(*arguments, on_step=None)`.

    Args:
        seconds: of the same arguments; estimates the time on a GPU.
    """

    def wrap(work):
        _verbs[work.__name__] = Verb(work, seconds)

        @functools.wraps(work)
        def run(*arguments, **live):
            if borrows_gpu():
                return _run_remotely(work.__name__, arguments)
            return work(*(devices.placed(one) if isinstance(one, Model) else one for one in arguments), **live)

        return run

    return wrap


def _run_remotely(name: str, arguments: tuple):
    """Run a verb in the process with the GPU.

    Raises:
        InputError: the verb raised it, or no GPU is available.
    """
    sent = tuple(Reference(one.folder, one.name) if isinstance(one, Model) else one for one in arguments)
    try:
        done, answer = on_card(name, sent)
    except gr.Error as error:  # ZeroGPU's own, such as an exceeded quota
        raise InputError(str(error.message)) from None
    if not done:
        raise InputError(answer)
    return answer


def duration(name: str, sent: tuple) -> int:
    """The seconds of GPU time to reserve."""
    return round(min(MOST_S, STARTING_S + _verbs[name].seconds(*sent)))


def _on_card(name: str, sent: tuple) -> tuple[bool, Any]:
    """Run a verb where the GPU is.

    Returns:
        True and the answer, or False and the sentence of an InputError, which ZeroGPU would hide.
    """
    arguments = (devices.loaded(one.folder, one.name) if isinstance(one, Reference) else one for one in sent)
    try:
        return True, _verbs[name].work(*arguments)
    except InputError as error:
        return False, str(error)


on_card = _on_card if spaces is None else spaces.GPU(duration=duration)(_on_card)


def borrows_gpu() -> bool:
    """Whether this is ZeroGPU; anywhere else, its decorator changes nothing."""
    return on_card is not _on_card


def on_cpu() -> bool:
    """Whether everything is computed on the CPU."""
    return not borrows_gpu() and devices.pick().type == "cpu"


def prepare(models: list[Model]) -> None:
    """On ZeroGPU, load models on to the GPU, as it requires before the app starts."""
    for model in models if borrows_gpu() else ():
        devices.loaded(model.folder, model.name)


# --- the verbs ------------------------------------------------------------------------------------------------------------


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


@verb(lambda prior, codes, mask, radius, strength: 2 + 0.02 * codes.columns)
def blur(prior, codes: Codes, mask: Tensor, radius: float, strength: float) -> Codes:
    """See `gibbs.blur`."""
    return gibbs.blur(prior, codes, mask, radius, strength).to("cpu")


@verb(lambda prior, codes, mask, seeds, labels, local, sampling: 2 + 0.02 * (codes.columns + (sampling.steps or 32)))
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


@verb(lambda codec, prior, labels, seconds, seeds, sampling: 2 + 2 * (seconds or 5))
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


@verb(lambda prior, codes, labels: 2 + 0.02 * codes.columns)
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


@verb(lambda codec, prior, keys, labels, seconds, take: len(keys) * (1 + seconds))
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
