"""Sampling from a prior with a person's settings."""

import secrets
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from vqaudio import sfz
from vqaudio.analysis import colours
from vqaudio.codec import Codec
from vqaudio.codes import Codes
from vqaudio.errors import InputError
from vqaudio.masks import span_of
from vqaudio.pitches import key_of
from vqaudio.randomness import seeded
from vqaudio.sampling import NAMES, Sampling
from vqaudio.ui import verbs
from vqaudio.ui.wire import Message

MAX_SECONDS = 10.0
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

    def sampling(self) -> Sampling:
        """These settings for `Prior.fill`."""
        return Sampling(**self.model_dump(include=set(NAMES)))


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

    @cached_property
    def n_bytes(self) -> int:
        return 17 * self.mask.numel() + sum(4 * len(cells) for cells in self.steps)

    @property
    def kept(self) -> tuple[int, int]:
        """The number of unchanged cells outside the mask, and of all cells there."""
        same = (self.ids == self.before)[~self.mask]
        return int(same.sum()), same.numel()

    @property
    def changed(self) -> tuple[int, int]:
        """How many cells inside the mask differ from before, and how many there are."""
        differ = (self.ids != self.before)[self.mask]
        return int(differ.sum()), differ.numel()

    def after(self, step: int) -> Tensor:
        """The indices [K, T] after a step; -1 is the result."""
        if step < 0 or not self.steps:
            return self.ids
        ids = self.ids.clone()
        ids[self.mask] = self.steps[min(step, len(self.steps) - 1)].to(ids.dtype)
        return ids


def new_seed() -> int:
    return secrets.randbelow(2**31)


def for_prior(prior, settings: Settings) -> Settings:
    """The settings with the labels as `prior` spells them."""
    return settings.model_copy(update={"labels": known_labels(prior, settings.labels)})


def known_labels(prior, labels: dict[str, str]) -> dict[str, str]:
    """Labels as a prior spells them; a pitch may be a note's name or key number.

    Raises:
        InputError: lists the labels that the prior knows.
    """
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
    """Refuse a clip that is too long to be sampled or scored while a person waits."""
    seconds = codes.columns / codes.spec.frame_rate
    if seconds > MAX_SECONDS + 1 / codes.spec.frame_rate:
        raise InputError(f"Here a prior takes clips of up to {MAX_SECONDS:.0f} s; this one lasts {seconds:.1f} s.")


def check_span(codes: Codes, mask: Tensor) -> None:
    """Raises InputError if the cells to write [1, K, T] reach over too much time."""
    span = span_of(mask)
    seconds = (span.stop - span.start) / codes.spec.frame_rate
    if seconds > MAX_SECONDS + 1e-6:
        raise InputError(f"Here a prior fills up to {MAX_SECONDS:.0f} s at a time; this selection reaches over {seconds:.1f} s.")


def fill(prior, codes: Codes, mask: Tensor, settings: Settings, seed: int, n: int = 1, on_step=None) -> list[Variation]:
    """Sample variations of a clip, with this seed and the next ones.

    `on_step(done, total, [ids [K, T] of each])` may raise, to cancel; a cell not decided yet is -1.
    """
    check_span(codes, mask)
    filled, steps = verbs.fill(
        prior, codes, mask, (seed, n), settings.labels, settings.local, settings.sampling(), on_step=on_step
    )
    return [Variation(seed + i, filled.clip(i), mask[0], codes.ids[0], steps[i]) for i in range(n)]


def blanks(prior, settings: Settings, seconds: float | None, seed: int, n: int = 1) -> list[Codes]:
    """What `generate` writes into: how long the new clips are to be."""
    blank = prior.blank(settings.labels or None, seconds, seeded(seed, n))
    check_length(blank)
    return [blank.clip(i) for i in range(n)]


def generate(
    prior, codec: Codec, settings: Settings, seconds: float | None, seed: int, n: int = 1, on_step=None
) -> list[Variation]:
    """Generate new clips, with this seed and the next ones; `on_step` as for `fill`.

    Without `seconds` each is as long as a training clip with these labels.
    """
    before = blanks(prior, settings, seconds, seed, n)
    made, steps = verbs.generate(codec, prior, settings.labels, seconds, (seed, n), settings.sampling(), on_step=on_step)
    everything = [torch.ones_like(blank.ids[0], dtype=torch.bool) for blank in before]
    return [Variation(seed + i, made.clip(i), everything[i], before[i].ids[0], steps[i]) for i in range(n)]


def audible(codec: Codec, codes: Codes, ids: Tensor) -> tuple[Codes, Tensor]:
    """Make half-sampled indices [K, T] decodable; also return the undecided.

    An undecided cell (outside its codebook) plays the codeword that adds least: the shortest vector of its stage.
    """
    vocab = torch.tensor(codes.spec.vocab_of_row)[:, None]
    undecided = (ids < 0) | (ids >= vocab)
    quiet = torch.tensor(_quietest(codec), dtype=ids.dtype)[:, None]
    return Codes(torch.where(undecided, quiet, ids)[None], codes.spec, codes.lengths, codes.valid, codes.level_db), undecided


def _quietest(codec: Codec) -> list[int]:
    found = []
    for j, stage in enumerate(codec.spec.stages):
        words = colours.codewords(codec, j)
        found += [0 if words is None else int(words.norm(dim=1).argmin())] * stage.rows
    return found
