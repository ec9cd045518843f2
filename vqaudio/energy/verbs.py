"""Energy of a codec and its priors: joules per second of audio, and of training."""

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev

import torch
from torch import Tensor

import vqaudio
from vqaudio.codec import Codec
from vqaudio.energy.record import Energy, Meter
from vqaudio.errors import InputError
from vqaudio.json_files import expected_in
from vqaudio.prior import Prior
from vqaudio.provenance import runs_of

HEADER = ("what", "joules", "spread", "above idle", "seconds", "how it is known")


@dataclass(frozen=True)
class Use:
    """Cost of one second of audio, over repeated stretches.

    Attributes:
        what: such as "an encoded second".
        model: the codec or the prior.
        joules, spread: mean and standard deviation over the stretches, all components.
        above_idle, above_idle_spread: the same, minus the idle machine's.
        seconds: wall-clock time.
        state: measured, estimated or partly estimated.
        repeats: number of stretches.
    """

    what: str
    model: str
    joules: float
    spread: float
    above_idle: float
    above_idle_spread: float
    seconds: float
    state: str
    repeats: int


def measure(
    codec: Codec, priors: list[Prior], sound: Tensor, meter: Meter, repeats: int, stretch_s: float, clip_s: float, seed: int = 0
) -> tuple[list[Use], Energy]:
    """Measure the energy of encoding, decoding and generating.

    Args:
        codec, priors: the models.
        sound: [1, 1, N] to encode and decode.
        meter: measures each stretch.
        repeats: number of stretches, at least 2.
        stretch_s: repeat each verb until a stretch is at least this long: short ones are below a meter's resolution.
        clip_s: length of each generated and decoded clip.
        seed: of the generated clips.

    Returns:
        the uses, and the energy of all stretches together.

    Raises:
        InputError: fewer than 2 repeats.
    """
    if repeats < 2:
        raise InputError("A spread takes at least 2 repeats.")
    seconds, codes = sound.shape[-1] / codec.sample_rate, codec.encode(sound)

    def clip(prior: Prior) -> None:
        vqaudio.generate(codec, prior, seconds=clip_s, generator=torch.Generator().manual_seed(seed))

    verbs: list[tuple[str, str, float, Callable[[], object]]] = [
        ("an encoded second", codec.name, seconds, lambda: codec.encode(sound)),
        ("a decoded second", codec.name, seconds, lambda: codec.decode(codes)),
    ]
    verbs += [("a generated second", prior.name, clip_s, lambda prior=prior: clip(prior)) for prior in priors]
    uses, spent = [], []
    for what, model, each_s, run in verbs:
        run()  # warm-up, not counted
        stretches = [_stretch(run, meter, stretch_s) for _ in range(repeats)]
        uses.append(_use(what, model, [(energy, n * each_s) for energy, n in stretches]))
        spent += [energy for energy, _ in stretches]
    return uses, _total(spent)


def _stretch(run: Callable[[], object], meter: Meter, stretch_s: float) -> tuple[Energy, int]:
    n, until = 0, time.perf_counter() + stretch_s
    with meter:
        while n == 0 or time.perf_counter() < until:
            run()
            n += 1
    return meter.energy, n


def _use(what: str, model: str, stretches: list[tuple[Energy, float]]) -> Use:
    joules = [energy.joules / seconds for energy, seconds in stretches]
    above = [energy.above_idle / seconds for energy, seconds in stretches]
    work = mean(energy.seconds / seconds for energy, seconds in stretches)
    return Use(
        what, model, mean(joules), stdev(joules), mean(above), stdev(above), work, stretches[0][0].state, len(stretches)
    )


def _total(spent: list[Energy]) -> Energy:
    total = spent[0]
    for energy in spent[1:]:
        total = total + energy
    return total


def training(folder: Path) -> Energy | None:
    """Return a model's training energy; None if any step of any run was not metered."""
    with expected_in(folder / "training.json"):
        runs = runs_of(folder)
        if not runs or any(run.get("energy", {}).get("steps") != run["steps"] for run in runs):
            return None
        return _total([Energy.from_json(run["energy"]) for run in runs])


def record(uses: list[Use], spent: Energy, trained: dict[str, Energy | None], settings: dict) -> dict:
    """Build the content of energy.json."""
    return {
        **settings, "threads": torch.get_num_threads(), "load": load(), "uses": [asdict(use) for use in uses],
        "all_stretches": spent.to_json(),
        "training": {name: energy and energy.to_json() for name, energy in trained.items()},
    }


def load() -> float | None:
    """Return the load average over 5 minutes, in threads; None if the system has none."""
    return round(os.getloadavg()[1], 1) if hasattr(os, "getloadavg") else None


def report(found: dict) -> str:
    """Format the record: a Markdown table, and what it was measured on."""
    lines = [f"| {' | '.join(HEADER)} |", "| --- |" + " ---: |" * 4 + " --- |"]
    for use in (Use(**row) for row in found["uses"]):
        numbers = f"{use.joules:.3g} | {use.spread:.1g} | {use.above_idle:.3g} ± {use.above_idle_spread:.1g} | {use.seconds:.3g}"
        lines.append(f"| {use.what}, {use.model} | {numbers} | {use.state}, {use.repeats} times |")
    for name, run in found["training"].items():
        lines.append(_training_row(name, run))
    spent = Energy.from_json(found["all_stretches"])
    idle = ", ".join(f"{part.name} {part.idle_w:.2g} W" for part in spent.components if part.idle_w is not None)
    sources = [f"{part.name} {part.state}: {part.by}" for part in spent.components]
    return "\n".join([
        *lines, "", *sources, f"idle: {idle or 'not looked at'}", 
        f"on {spent.device}, {found['threads']} thread(s) at work, load {found['load']}: what others do makes work last longer, "
        "and with it the memory's joules; those above idle are this process's own",
        f"CO2e of these {spent.seconds:.0f} s: {spent.grams:.2g} g ({spent.carbon_by})",
    ])  # fmt: skip


def _training_row(name: str, run: dict | None) -> str:
    if run is None:
        return f"| training {name} | not measured | | | | |"
    energy = Energy.from_json(run)
    return f"| training {name} | {energy.joules:,.0f} | | {energy.above_idle:,.0f} | {energy.seconds:,.0f} | {energy.state} |"
