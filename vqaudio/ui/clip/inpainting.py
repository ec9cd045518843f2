"""Server functions for the priors: one JSON object in, one out (see `wire`)."""

import math
import time
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field

from vqaudio.errors import InputError
from vqaudio.pitches import word
from vqaudio.ui import models, reading, verbs, wire
from vqaudio.ui.clip import jobs, sampling
from vqaudio.ui.clip.handlers import describe, edited_clip, sound_fields, store
from vqaudio.ui.clip.sampling import Settings
from vqaudio.ui.clip.selection import Rectangles, mask_of
from vqaudio.ui.clip.workbench import Origin, Workbench

VARIATIONS = reading.MOST_CLIPS
UNDECIDED = 2**16 - 1
PriorName = Annotated[str, Field(max_length=200)]
Number = Annotated[int, Field(ge=0, le=63)]


class PriorsRequest(wire.Message):
    model: Annotated[str, Field(max_length=200)] = ""


class FillRequest(wire.Request):
    prior: PriorName
    rectangles: Rectangles
    settings: Settings


class Length(wire.Message):
    seconds: Annotated[float, Field(ge=0.1, le=sampling.MAX_SECONDS)] | None = None


class NewClipRequest(Length):
    prior: PriorName
    settings: Settings


class ScoreRequest(wire.Request):
    prior: PriorName
    labels: sampling.Labels = Field(default_factory=dict)


class JobRequest(wire.Message):
    job: wire.Token


class ProgressRequest(JobRequest):
    """How many results and opened clips the page has, and the step that it last saw."""

    seen: Number
    opened: Number = 0
    step: Annotated[int, Field(ge=0, le=10**9)] = 0


class StepRequest(wire.SpeakerRequest):
    job: wire.Token
    variation: Number
    step: Number | Literal[-1]


class UseRequest(wire.Request):
    job: wire.Token
    variation: Number


@wire.serves(PriorsRequest)
def priors(request: PriorsRequest) -> dict:
    """The priors that can be chosen for a codec, and what they are."""
    codec = models.codec(request.model)
    found = [
        {
            "name": name,
            "labels": {kind: [[value, word(kind, value)] for value in values] for kind, values in prior.labels.items()},
            "exact": prior.likelihood == "exact", "sees_right": prior.sees_right, "usual": sampling.usual(prior),
        }
        for name, prior in models.priors(codec).items()
    ]
    return {"model": codec.name, "priors": found, "none": "" if found else models.NO_PRIOR}


@wire.serves(FillRequest)
def fill(request: FillRequest) -> dict:
    """Start four variations of the selected cells; `progress` follows them."""
    bench = store.get(request.token)
    prior = models.prior(request.prior, bench.codec)
    settings = sampling.for_prior(prior, request.settings)
    codes, mask = bench.codes, mask_of(bench.codes, request.rectangles)
    sampling.check_span(codes, mask)
    first = _seed(settings)

    def work(job: jobs.Job) -> None:
        for variation in sampling.fill(prior, codes, mask, settings, first, VARIATIONS, job.step):
            job.add(Made(variation))

    return {"job": jobs.start(jobs.Job(work, VARIATIONS, ("fill", prior.name))), "seed": first, "total": VARIATIONS}


@wire.serves(NewClipRequest)
def new_clip(request: NewClipRequest) -> dict:
    """Start four new clips with these labels; each is opened before it is sampled."""
    prior, codec = models.prior_and_codec(request.prior)
    settings = sampling.for_prior(prior, request.settings)
    first = _seed(settings)
    name = " ".join(word(kind, value) for kind, value in settings.labels.items()) or "new clip"

    def work(job: jobs.Job) -> None:
        benches = []
        for i, blank in enumerate(sampling.blanks(prior, settings, request.seconds, first, VARIATIONS)):
            benches.append(Workbench(codec, blank, f"{name}, seed {first + i}", origin=Origin(generated=True)))
            job.opened.append(describe(store.put(benches[-1]), benches[-1]))
        made = sampling.generate(prior, codec, settings, request.seconds, first, VARIATIONS, job.step)
        for bench, variation in zip(benches, made):
            bench.take(variation.codes)
            job.add(Made(variation, bench.version))

    return {"job": jobs.start(jobs.Job(work, VARIATIONS, ("new", prior.name))), "seed": first, "total": VARIATIONS}


def _seed(settings: Settings) -> int:
    """The first of the seeds; random by default."""
    return sampling.new_seed() if settings.seed is None else settings.seed


@dataclass(frozen=True)
class Made:
    """A variation, as a job keeps it; the version of a new clip's indices."""

    variation: sampling.Variation
    version: str = ""

    @property
    def n_bytes(self) -> int:
        return self.variation.n_bytes

    def to_json(self) -> dict:
        v = self.variation
        return {
            "seed": v.seed, "ids": wire.integers(v.ids), "kept": v.kept, "changed": v.changed, "steps": len(v.steps),
            "version": self.version,
        }  # fmt: skip


@dataclass(frozen=True)
class Surprise:
    """How surprising each cell of a clip is to a prior: bits [K, T]."""

    bits: torch.Tensor
    version: str
    exact: bool

    @property
    def n_bytes(self) -> int:
        return 4 * self.bits.numel()

    def to_json(self) -> dict:
        hundredths = (self.bits * 100).round().clamp(0, 2**16 - 1).int()
        return {
            "version": self.version, "bits": wire.integers(hundredths), "total": float(self.bits.sum()), "exact": self.exact
        }


@wire.serves(ProgressRequest, light=True)
def progress(request: ProgressRequest) -> dict:
    """A job's place in the queue, seconds left, new results, and latest cells."""
    job = jobs.store.get(request.job)
    job.asked_at = time.monotonic()
    state, (step, now) = job.state, job.now
    fresh, opened = list(job.results)[request.seen :], list(job.opened)[request.opened :]
    unseen = now if step != request.step else ()
    return {
        "state": state, "share": job.share, "waiting": job.place, "left_s": job.seconds_left, "error_text": job.error,
        "opened": opened, "results": [result.to_json() for result in fresh], "step": step,
        "now": [wire.integers(torch.where(ids < 0, UNDECIDED, ids)) for ids in unseen],
        "spent": None if state in ("waiting", "running") else job.spent,
    }  # fmt: skip


@wire.serves(JobRequest, light=True)
def cancel(request: JobRequest) -> dict:
    """Stop a job; what it has finished is kept."""
    jobs.store.get(request.job).cancel()
    return {}


@wire.serves(StepRequest)
def step(request: StepRequest) -> dict:
    """A variation, or its state after one sampling step, with its sound.

    Step -1 is the result.

    Its spectrogram has the clip's scale of greys, so that the two can be compared.
    """
    variation, clip = _variation(request.job, request.variation), store.get(request.token)
    codes, undecided = sampling.audible(clip.codec, variation.codes, variation.after(request.step))
    bench = Workbench(clip.codec, codes, "a step")
    bench.top_db = clip.top_db
    return {
        "ids": wire.integers(torch.where(undecided, UNDECIDED, codes.ids[0])), "undecided": int(undecided.sum()),
        **sound_fields(bench, bench.sound(tuple(range(bench.n_stages)), request.speaker)),
    }


@wire.serves(UseRequest)
def use(request: UseRequest) -> dict:
    """Put a variation's cells into the clip: one change, which can be undone."""
    bench, variation = store.get(request.token), _variation(request.job, request.variation)
    if variation.ids.shape != bench.ids.shape:
        raise InputError("These variations belong to another clip: fill again.")
    bench.write(variation.ids, variation.mask)
    return edited_clip(bench)


@wire.serves(ScoreRequest)
def score(request: ScoreRequest) -> dict:
    """Start to score each cell under a prior: -log2 of its probability.

    `progress` gives hundredths of a bit.
    """
    bench = store.get(request.token)
    prior = models.prior(request.prior, bench.codec)
    prior.check_likelihood()
    labels = sampling.known_labels(prior, request.labels)
    sampling.check_length(bench.codes)
    codes, version = bench.codes, bench.version

    def work(job: jobs.Job) -> None:
        job.add(Surprise(surprise(prior, codes, labels), version, prior.likelihood == "exact"))

    return {"job": jobs.start(jobs.Job(work, 1, ("score", prior.name)))}


def surprise(prior, codes, labels: dict[str, str]) -> torch.Tensor:
    """-log2 p of each cell of one clip: [K, T]."""
    sampling.check_length(codes)
    return (verbs.score(prior, codes, labels) / -math.log(2)).float()


def _variation(job: str, number: int) -> sampling.Variation:
    made = [result for result in jobs.store.get(job).results if isinstance(result, Made)]
    if number >= len(made):
        raise InputError("There is no such variation: fill again.")
    return made[number].variation


FUNCTIONS = (priors, fill, new_clip, progress, cancel, step, use, score)
