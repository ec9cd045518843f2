"""What the page may ask of the priors. Each takes one JSON object and gives one back (see `wire`)."""

import math
from typing import Annotated, Literal

import torch
from pydantic import Field

from vqaudio.errors import InputError
from vqaudio.ui import jobs, models, sampling, wire
from vqaudio.ui.sampling import Settings
from vqaudio.ui.selection import Rectangles, mask_of
from vqaudio.ui.served import describe, heard, store, written
from vqaudio.ui.workbench import Workbench

VARIATIONS = 4
UNDECIDED = 2**16 - 1
NO_PRIOR = "No prior for this codec is here, so there is nothing to fill with; cells can still be copied and pasted."
PriorName = Annotated[str, Field(max_length=200)]
Number = Annotated[int, Field(ge=0, le=63)]


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
    seen: Number


class StepRequest(wire.Request):
    job: wire.Token
    variation: Number
    step: Number | Literal[-1]


class UseRequest(wire.Request):
    job: wire.Token
    variation: Number


@wire.serves(wire.Message)
def priors(request: wire.Message) -> dict:
    """The priors that can be chosen, and what they are."""
    found = [
        {
            "name": name, "labels": {kind: list(values) for kind, values in prior.labels.items()},
            "exact": prior.likelihood == "exact", "sees_right": prior.sees_right,
        }
        for name, prior in models.priors().items()
    ]
    return {"priors": found, "none": "" if found else NO_PRIOR}


@wire.serves(FillRequest)
def fill(request: FillRequest) -> dict:
    """Start four variations of the cells selected; `progress` gives them as they come."""
    bench, prior = store.get(request.token), models.prior(request.prior)
    sampling.check_labels(prior, request.settings.labels)
    codes, mask = bench.codes, mask_of(bench.codes, request.rectangles)
    sampling.check_length(codes)
    first = sampling.new_seed() if request.settings.seed is None else request.settings.seed

    def work(job: jobs.Job) -> None:
        for seed in range(first, first + VARIATIONS):
            job.add(sampling.fill(prior, codes, mask, request.settings, seed, job.step))

    return {"job": jobs.start(jobs.Job(work, VARIATIONS, owner=request.token)), "seed": first}


@wire.serves(NewClipRequest)
def new_clip(request: NewClipRequest) -> dict:
    """Start one new clip with the labels given."""
    prior = models.prior(request.prior)
    sampling.check_labels(prior, request.settings.labels)
    seed = sampling.new_seed() if request.settings.seed is None else request.settings.seed

    def work(job: jobs.Job) -> None:
        job.add(sampling.generate(prior, request.settings, request.seconds, seed, job.step))

    return {"job": jobs.start(jobs.Job(work, 1)), "seed": seed}


@wire.serves(ProgressRequest)
def progress(request: ProgressRequest) -> dict:
    """How far a job is, and the variations that the page has not seen."""
    job = jobs.store.get(request.job)
    state = job.state
    fresh = list(job.variations)[request.seen :]
    return {
        "state": state, "share": job.share, "waiting": job.before, "error_text": job.error,
        "variations": [
            {"seed": v.seed, "ids": wire.integers(v.ids), "kept": v.kept, "changed": v.changed, "steps": len(v.steps)}
            for v in fresh
        ],
    }  # fmt: skip


@wire.serves(JobRequest)
def cancel(request: JobRequest) -> dict:
    """Stop a job; what it has finished is kept."""
    jobs.store.get(request.job).cancel()
    return {}


@wire.serves(StepRequest)
def step(request: StepRequest) -> dict:
    """A variation, or where it stood after one of its steps (step -1: the result), with its sound.

    Its spectrogram has the clip's scale of greys, so that the two can be compared.
    """
    variation = _variation(request.job, request.variation)
    codec = models.codec()
    ids = variation.ids
    if request.step >= 0:
        ids = variation.steps[min(request.step, len(variation.steps) - 1)] if variation.steps else ids
    codes, undecided = sampling.audible(codec, variation.codes, ids)
    bench = Workbench(codec, codes, "a step")
    bench.top_db = store.get(request.token).top_db
    return {
        "ids": wire.integers(torch.where(undecided, UNDECIDED, codes.ids[0])), "undecided": int(undecided.sum()),
        **heard(bench, bench.sound(tuple(range(bench.n_stages)))),
    }


@wire.serves(UseRequest)
def use(request: UseRequest) -> dict:
    """Put a variation's cells into the clip: one change, which can be undone."""
    bench, variation = store.get(request.token), _variation(request.job, request.variation)
    if variation.ids.shape != bench.ids.shape:
        raise InputError("These variations belong to another clip: fill again.")
    bench.write(variation.ids, variation.mask)
    return written(bench)


@wire.serves(JobRequest)
def open_clip(request: JobRequest) -> dict:
    """The new clip that a job made, on a workbench of its own: what `describe` tells."""
    variation = _variation(request.job, 0)
    told = " ".join(variation.labels.values()) or "new clip"
    bench = Workbench(models.codec(), variation.codes, f"{told}, seed {variation.seed}")
    return {"value": describe(store.put(bench), bench)}


@wire.serves(ScoreRequest)
def score(request: ScoreRequest) -> dict:
    """How surprised a prior is by each cell: -log2 of its probability, in hundredths of a bit, and the sum in bits."""
    bench, prior = store.get(request.token), models.prior(request.prior)
    sampling.check_labels(prior, request.labels)
    bits = surprise(prior, bench.codes, request.labels)
    hundredths = (bits * 100).round().clamp(0, 2**16 - 1).int()
    return {
        "version": bench.version, "bits": wire.integers(hundredths), "total": float(bits.sum()),
        "exact": prior.likelihood == "exact",
    }  # fmt: skip


def surprise(prior, codes, labels: dict[str, str]) -> torch.Tensor:
    """-log2 p of each cell of one clip: [K, T]."""
    sampling.check_length(codes)
    return (prior.log_prob(codes, labels or None)[0] / -math.log(2)).float()


def _variation(job: str, number: int) -> sampling.Variation:
    variations = jobs.store.get(job).variations
    if number >= len(variations):
        raise InputError("There is no such variation: fill again.")
    return variations[number]


FUNCTIONS = (priors, fill, new_clip, progress, cancel, step, use, open_clip, score)
