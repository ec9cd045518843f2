"""How a person wants a prior to sample: the settings, checked, and what they make of a clip."""

import math
import secrets
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from vqaudio import sfz
from vqaudio.codec import Codec
from vqaudio.codes import Codes
from vqaudio.critics import critic_for
from vqaudio.errors import InputError
from vqaudio.pitches import key_of
from vqaudio.ui import facts
from vqaudio.ui.wire import Message

MAX_SECONDS = 10.0
MAX_KEPT_STEPS = 32
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Labels = Annotated[dict[Annotated[str, Field(max_length=40)], Annotated[str, Field(max_length=80)]], Field(max_length=16)]


class Settings(Message):
    """See `vqaudio.prior`; None is the prior's own choice."""

    temperature: Annotated[float, Field(ge=0, le=5)] | None = None
    top_k: Annotated[int, Field(ge=1, le=65_536)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    steps: Annotated[int, Field(ge=1, le=256)] | None = None
    guidance: Annotated[float, Field(ge=0, le=10)] | None = None
    seed: Seed | None = None
    labels: Labels = Field(default_factory=dict)
    local: bool = False
    """Whether the labels say what the cells to be written are to become, rather than what the whole clip is."""

    def sampling(self) -> dict:
        """The arguments of `prior.fill` that these settings are."""
        return self.model_dump(include={"temperature", "top_k", "top_p", "steps", "guidance"})


def usual(prior) -> dict:
    """How a prior samples where a person says nothing, for new clips and for holes."""
    return {kind: asdict(prior.default_sampling(kind == "new")) for kind in ("new", "hole")}


@dataclass(frozen=True)
class Variation:
    """One result.

    Attributes:
        seed: that it was drawn with.
        codes: of one clip.
        mask: [K, T] the cells that were written.
        before: [K, T] the indices before.
        steps: for some of the sampling steps the indices of the masked cells; -1 is not decided yet.
    """

    seed: int
    codes: Codes
    mask: Tensor
    before: Tensor
    steps: list[Tensor] = field(default_factory=list)

    @property
    def ids(self) -> Tensor:
        return self.codes.ids[0]

    @property
    def n_bytes(self) -> int:
        return 17 * self.mask.numel() + sum(4 * len(cells) for cells in self.steps)

    @property
    def kept(self) -> tuple[int, int]:
        """How many cells outside the mask are as they were, and how many there are: measured, not promised."""
        same = (self.ids == self.before)[~self.mask]
        return int(same.sum()), same.numel()

    @property
    def changed(self) -> tuple[int, int]:
        """How many cells inside the mask differ from before, and how many there are."""
        differ = (self.ids != self.before)[self.mask]
        return int(differ.sum()), differ.numel()

    def after(self, step: int) -> Tensor:
        """The indices [K, T] after one of the steps kept; -1 is the result, and so is any step of a prior without steps."""
        if step < 0 or not self.steps:
            return self.ids
        ids = self.ids.clone()
        ids[self.mask] = self.steps[min(step, len(self.steps) - 1)].to(ids.dtype)
        return ids


def new_seed() -> int:
    return secrets.randbelow(2**31)


def for_prior(prior, settings: Settings) -> Settings:
    """The settings with the labels as `prior` spells them. Raises InputError as `known_labels` does."""
    return settings.model_copy(update={"labels": known_labels(prior, settings.labels)})


def known_labels(prior, labels: dict[str, str]) -> dict[str, str]:
    """Labels as a prior spells them: a pitch may be a note's name or its key number. Raises InputError, with those it knows."""
    for kind in labels:
        if kind not in prior.labels:
            raise InputError(f"{prior.name} knows no label {kind!r}; it knows {', '.join(prior.labels) or 'none'}.")
    return {kind: _known_value(prior, kind, value) for kind, value in labels.items()}


def _known_value(prior, kind: str, value: str) -> str:
    if value in prior.labels[kind]:
        return value
    if kind == sfz.PITCH:
        return sfz.label_of(prior, key_of(value))
    raise InputError(f"There is no {kind} {value!r}; {prior.name} knows {', '.join(prior.labels[kind])}.")


def check_length(codes: Codes) -> None:
    """Raises InputError if a clip is too long to be made or scored while a person waits."""
    seconds = codes.columns / codes.spec.frame_rate
    if seconds > MAX_SECONDS + 1 / codes.spec.frame_rate:
        raise InputError(f"Here a prior takes clips of up to {MAX_SECONDS:.0f} s; this one lasts {seconds:.1f} s.")


def check_span(codes: Codes, mask: Tensor) -> None:
    """Raises InputError if the cells to write [1, K, T] reach over too much time."""
    _view(codes, mask)


def _view(codes: Codes, mask: Tensor) -> slice:
    """The columns that a prior is shown of a long clip: those to be written and as many around them as MAX_SECONDS hold."""
    columns = mask[0].any(0).nonzero()[:, 0]
    first, last = int(columns[0]), int(columns[-1]) + 1
    most = math.ceil(MAX_SECONDS * codes.spec.frame_rate)
    if last - first > most:
        told = f"{(last - first) / codes.spec.frame_rate:.1f} s"
        raise InputError(f"Here a prior fills up to {MAX_SECONDS:.0f} s at a time; this selection reaches over {told}.")
    start = max(0, min(first - (most - last + first) // 2, codes.columns - most))
    return slice(start, start + most)


def fill(prior, codes: Codes, mask: Tensor, settings: Settings, seed: int, on_step=None) -> Variation:
    """One variation of a clip. `on_step(done, total, ids [K, T])` may raise, to cancel; a cell not decided yet is -1."""
    return _fill(prior, codes, mask, settings, seed, torch.Generator().manual_seed(seed), on_step)


def _fill(prior, codes, mask, settings, seed, generator, on_step, critic=None) -> Variation:
    steps: list[Tensor] = []
    view = _view(codes, mask)

    def whole(ids: Tensor) -> Tensor:
        return torch.cat([codes.ids[0, :, : view.start], ids[0].to(codes.ids.dtype), codes.ids[0, :, view.stop :]], dim=1)

    def told(done: int, total: int, ids: Tensor) -> None:
        now = whole(ids)
        if on_step:
            on_step(done, total, now)
        if total <= MAX_KEPT_STEPS or done == total or done * MAX_KEPT_STEPS // total > len(steps):
            steps.append(now[mask[0]].int())

    part = replace(codes, ids=codes.ids[..., view], valid=codes.valid[:, view])
    hole, labels = mask[..., view], settings.labels or None
    if settings.local and labels:
        said = {"labels": None, "local_labels": [(hole, labels)]}
    else:
        said = {"labels": labels}
    filled = prior.fill(part, hole, generator=generator, on_step=told, critic=critic, **said, **settings.sampling())
    return Variation(seed, replace(codes, ids=whole(filled.ids)[None]), mask[0], codes.ids[0], steps)


def generate(
    prior, codec: Codec, settings: Settings, seconds: float | None, seed: int, on_blank=None, on_step=None
) -> Variation:
    """A new clip, as `vqaudio.generate` makes it; without `seconds` as long as a training clip with these labels.

    `on_blank(codes)` is told how long it is to be before anything is sampled; `on_step` as for `fill`.
    """
    generator, settings = torch.Generator().manual_seed(seed), settings.model_copy(update={"local": False})
    blank = prior.blank(settings.labels or None, seconds, generator)
    check_length(blank)
    if on_blank:
        on_blank(blank)
    critic = critic_for(codec, prior, settings.labels)
    return _fill(prior, blank, blank.valid[:, None].expand_as(blank.ids), settings, seed, generator, on_step, critic)


def audible(codec: Codec, codes: Codes, ids: Tensor) -> tuple[Codes, Tensor]:
    """Indices [K, T] on their way, made decodable, and where they are undecided [K, T].

    An undecided cell (outside its codebook) plays the codeword that adds least: the shortest vector of its stage.
    """
    vocab = torch.tensor(codes.spec.vocab_of_row)[:, None]
    undecided = (ids < 0) | (ids >= vocab)
    quiet = torch.tensor(_quietest(codec), dtype=ids.dtype)[:, None]
    return Codes(torch.where(undecided, quiet, ids)[None], codes.spec, codes.lengths, codes.valid, codes.level_db), undecided


def _quietest(codec: Codec) -> list[int]:
    found = []
    for j, stage in enumerate(codec.spec.stages):
        words = facts.codewords(codec, j)
        found += [0 if words is None else int(words.norm(dim=1).argmin())] * stage.rows
    return found
