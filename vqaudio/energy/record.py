"""The cost of a stretch of work: seconds, joules and CO2e, each with its source.

A component (processor, graphics card, memory) is *measured* by a counter, *estimated* by a named model, or *absent*: what
Henderson et al. 2020 ask every report of energy to say. The meters are Zeus's counters, and CodeCarbon's model for components
without one and for the carbon: see `meters`. Without them, the app uses `of_processor_time`.
"""

import os
import platform
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from vqaudio.errors import InputError

CORE_W = 4.0  # W of a busy thread: CodeCarbon's figure for a processor that it does not know
IDLE_S = 3.0
UNITS = (("kJ", 1000.0), ("J", 1.0), ("mJ", 0.001))


@dataclass(frozen=True)
class Component:
    """Energy of one part of the machine.

    Attributes:
        name: "processor", "graphics card" or "memory".
        state: "measured", "estimated" or "absent".
        by: the counter or the model; if absent, the reason.
        joules: over the whole stretch; None if absent.
        idle_w: watts of the idle machine before it, by the same means; None if absent or not measured.
    """

    name: str
    state: str
    by: str
    joules: float | None = None
    idle_w: float | None = None


@dataclass(frozen=True)
class Energy:
    """The cost of a stretch of work.

    Attributes:
        seconds: wall-clock time.
        cpu_s: CPU time of the process, all threads.
        components: the parts of the machine.
        device, region: where it ran; the region as a country's three-letter code, or "world".
        grams_per_kwh: CO2e of the region's electricity; None if unknown.
        carbon_by: the source of that figure.
    """

    seconds: float
    cpu_s: float
    components: tuple[Component, ...]
    device: str
    region: str = "world"
    grams_per_kwh: float | None = None
    carbon_by: str = ""

    @property
    def joules(self) -> float:
        return sum(part.joules for part in self.components if part.joules is not None)

    @property
    def above_idle(self) -> float:
        """Joules minus those of the idle machine; never below 0 for a component."""
        parts = [part for part in self.components if part.joules is not None]
        return sum(max(0.0, part.joules - (part.idle_w or 0.0) * self.seconds) for part in parts)

    @property
    def grams(self) -> float | None:
        """Grams of CO2e."""
        return None if self.grams_per_kwh is None else self.joules / 3.6e6 * self.grams_per_kwh

    @property
    def state(self) -> str:
        """How the energy is known: measured, estimated or partly estimated."""
        states = {part.state for part in self.components} - {"absent"}
        return states.pop() if len(states) == 1 else "partly estimated" if states else "absent"

    def __add__(self, later: "Energy") -> "Energy":
        """Add two stretches on one machine; a component may be absent from one of them."""
        others = {part.name: part for part in later.components}
        parts = [_sum(part, others.pop(part.name, None)) for part in self.components]
        return replace(
            self, seconds=self.seconds + later.seconds, cpu_s=self.cpu_s + later.cpu_s, components=(*parts, *others.values())
        )

    def to_json(self) -> dict:
        """Convert to JSON values, with sums for people; `from_json` recomputes those."""
        return asdict(self) | {"joules": self.joules, "above_idle": self.above_idle, "state": self.state, "co2e_g": self.grams}

    @classmethod
    def from_json(cls, values: dict) -> "Energy":
        """Read `to_json`'s values. Raises InputError if they are no such record."""
        try:
            parts = tuple(Component(**part) for part in values["components"])
            return cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values} | {"components": parts})
        except (TypeError, KeyError) as error:
            raise InputError(f"This is not a record of energy: {error}.") from None

    def in_words(self) -> str:
        """Describe the energy in one line.

        Such as "5.21 kJ, of which 1.2 kJ above idle (processor estimated by ...), 0.69 g of CO2e (...)".
        """
        known = [part for part in self.components if part.state != "absent"]
        if not known:
            return "energy not measured"
        means = "; ".join(f"{part.name} {part.state} by {part.by}" for part in known)
        carbon = "" if self.grams is None else f", {self.grams:.2g} g of CO2e ({self.carbon_by})"
        idle = any(part.idle_w is not None for part in known)
        above = f", of which {joules_in_words(self.above_idle)} above idle" if idle else ""
        return f"{joules_in_words(self.joules)}{above} ({means}){carbon}"


def _sum(a: Component, b: Component | None) -> Component:
    if b is None or b.joules is None:
        return a
    if a.joules is None:
        return b
    by = a.by if a.by == b.by else f"{a.by}, then {b.by}"
    return replace(a, joules=a.joules + b.joules, by=by, state=a.state if a.state == b.state else "partly estimated")


def joules_in_words(joules: float) -> str:
    """Format with three digits and a suitable unit: 0.0123 -> "12.3 mJ"."""
    name, unit = next((pair for pair in UNITS if joules >= pair[1]), UNITS[-1])
    return f"{joules / unit:.3g} {name}" if joules < 9.995e5 else f"{joules / 1000:,.0f} kJ"


def of_processor_time(cpu_s: float) -> float:
    """Estimate joules from one thread's CPU time on an unknown processor."""
    return CORE_W * cpu_s


class Meter:
    """A reusable context manager that meters the work inside it.

    Args:
        device: where the work runs: "cpu", "cuda", "cuda:1" or "mps".
        region: a country's three-letter code, for the carbon; by default $VQAUDIO_REGION, else the world's mean.
        idle_s: seconds to measure the idle machine first; 0 skips it, None is IDLE_S.

    Attributes:
        energy: of the latest finished stretch.
        remarks: a sentence on each meter that could not be read.

    Raises:
        InputError: the meters are not installed, or the region is unknown.
    """

    energy: Energy

    def __init__(self, device: str = "cpu", region: str | None = None, idle_s: float | None = None):
        from vqaudio.energy.meters import CarbonTracker, Counters

        self.device, self.region = device, region or os.environ.get("VQAUDIO_REGION") or "world"
        self._tracker, self._counters = CarbonTracker(self.region), Counters(device)
        self.remarks = self._counters.remarks
        self._idle_w: dict[str, float] = {}
        idle_s = IDLE_S if idle_s is None else idle_s
        if idle_s > 0:
            with self:
                time.sleep(idle_s)
            self._idle_w = {p.name: p.joules / self.energy.seconds for p in self.energy.components if p.joules is not None}

    def __enter__(self) -> "Meter":
        self._tracker.start()
        self._counters.start()
        self._began, self._cpu_began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *raised) -> None:
        seconds, cpu_s = time.perf_counter() - self._began, time.process_time() - self._cpu_began
        measured, estimated = self._counters.stop(), self._tracker.stop()
        parts = [self._component(name, measured, estimated) for name in ("processor", "graphics card", "memory")]
        self.energy = Energy(
            seconds, cpu_s, tuple(parts), device_name(self.device), self.region, self._tracker.grams_per_kwh,
            f"{self._tracker.name}, {self._tracker.grams_per_kwh:.0f} g/kWh, {self._tracker.place}",
        )

    def lap(self) -> Energy:
        """Return the energy since entry or the last lap, and go on."""
        self.__exit__()
        self.__enter__()
        return self.energy

    def _component(self, name: str, measured: dict[str, float], estimated: dict[str, float]) -> Component:
        if name in measured:
            return Component(name, "measured", self._counters.by[name], measured[name], self._idle_w.get(name))
        if name in estimated:
            return Component(name, "estimated", self._tracker.by[name], estimated[name], self._idle_w.get(name))
        return Component(name, "absent", self._counters.why.get(name, "no meter and no model for it here"))


def device_name(device: str) -> str:
    """Name the GPU, or the processor and its number of usable threads."""
    import torch

    kind = torch.device(device)
    if kind.type == "cuda":
        return torch.cuda.get_device_name(kind)
    name = processor()
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {threads} threads" if kind.type == "cpu" else f"{kind.type}: {name}"


def processor() -> str:
    """Return the processor's name as the system reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = facts.get("model name") or platform.processor() or platform.machine()
    return f"{name} (family {facts['cpu family']}, model {facts['model']})" if "cpu family" in facts else name
