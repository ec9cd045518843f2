"""Energy meters: counters through Zeus, CodeCarbon's model for the rest.

Used through `energy.record.Meter`. Both print a lot, on import and after; none of it reaches the terminal. Nothing here uses the
network.
"""

import contextlib
import io
import json
import logging
import warnings
from importlib import metadata, resources

from vqaudio.errors import InputError

MISSING = (
    "To record energy, install the meters: `pip install -e .[energy]` (Zeus and CodeCarbon). Or leave the option out: "
    "then nothing is recorded, and nothing else changes."
)
JOULES_PER_KWH = 3.6e6


def _codecarbon():
    """Import CodeCarbon. Raises InputError if it is missing."""
    with quiet():
        try:
            import codecarbon
        except ImportError:
            raise InputError(MISSING) from None
    return codecarbon


def _zeus():
    """Import Zeus if it is there. It is optional: it needs amdsmi, which breaks the import of Ray."""
    with quiet():
        try:
            import zeus.device
            import zeus.monitor
        except ImportError:
            return None
    return zeus


@contextlib.contextmanager
def quiet():
    """Suppress all prints, warnings and log messages."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


class Counters:
    """The hardware counters that can be read.

    Attributes:
        by: for each measured component, its counter.
        why: for each other component, the reason.
        remarks: sentences on counters that should be readable and are not.
    """

    def __init__(self, device: str):
        self._zeus, self._monitor = _zeus(), None
        self.by: dict[str, str] = {}
        self.why: dict[str, str] = {"memory": "no counter of the memory"}
        self.remarks: list[str] = []
        if self._zeus is None:
            self.why["processor"] = "Zeus, which reads its counter, is not installed"
            self.why["graphics card"] = "not used" if device == "cpu" else self.why["processor"]
            self.remarks.append("Zeus is not installed, so no counter is read: `pip install -e .[energy]` installs it.")
            return
        self.name = f"Zeus {metadata.version('zeus')}"
        with quiet():
            cpus, gpus = self._packages(), self._cards(device)
            self._monitor = self._zeus.monitor.ZeusMonitor(gpu_indices=gpus, cpu_indices=cpus)

    def _packages(self) -> list[int]:
        """Indices of the processor packages with readable RAPL counters."""
        errors = self._zeus.device.exception.ZeusBaseCPUError
        try:
            found = self._zeus.device.get_cpus()
        except (errors, OSError) as error:
            if "permission" in f"{type(error).__name__} {error}".lower():
                self.why["processor"] = "its RAPL counter may not be read by this user"
                self.remarks.append(
                    "The processor's energy counter (RAPL) is there, but this user may not read it: its energy is estimated. "
                    "An administrator can change that: `sudo chmod -R a+r /sys/class/powercap/intel-rapl`."
                )
            else:
                self.why["processor"] = "no RAPL counter here"
                self.remarks.append("This machine shows no energy counter of its processor (RAPL): its energy is estimated.")
            return []
        self.by["processor"] = f"{self.name} from RAPL, whole packages"
        return list(range(len(found)))

    def _cards(self, device: str) -> list[int]:
        """The index of the GPU that does the work, if it is readable."""
        kind, _, number = device.partition(":")
        if kind != "cuda":
            self.why["graphics card"] = "not used" if kind == "cpu" else f"no counter for {kind}"
            return []
        try:
            self._zeus.device.get_gpus()
        except (self._zeus.device.exception.ZeusBaseGPUError, OSError):
            self.why["graphics card"] = "its counter (NVML) cannot be read"
            self.remarks.append(
                "The graphics card's energy counter (NVML) cannot be read: its energy is missing from the sums."
            )
            return []
        self.by["graphics card"] = f"{self.name} from NVML"
        return [int(number or 0)]

    def start(self) -> None:
        if self._monitor is None:
            return
        with quiet():
            self._monitor.begin_window("stretch", restart=True)

    def stop(self) -> dict[str, float]:
        """Stop, and return the joules of each measured component."""
        if self._monitor is None:
            return {}
        with quiet():
            reading = self._monitor.end_window("stretch")
        found = {}
        if reading.cpu_energy:
            found["processor"] = sum(reading.cpu_energy.values())
        if reading.gpu_energy:
            found["graphics card"] = sum(reading.gpu_energy.values())
        if reading.dram_energy:
            self.by["memory"] = f"{self.name} from RAPL"
            found["memory"] = sum(reading.dram_energy.values())
        return found


class CarbonTracker:
    """CodeCarbon's estimate for this process, and the CO2e of a region's electricity.

    Attributes:
        by: for each component, the model.
        grams_per_kwh: CO2e of the region's electricity.
        place: what that figure is of, in words.

    Raises:
        InputError: CodeCarbon is missing, or the region is unknown.
    """

    def __init__(self, region: str):
        codecarbon = _codecarbon()
        self.name = f"CodeCarbon {metadata.version('codecarbon')}"
        mixes = _data("global_energy_mix.json")
        if region != "world" and region not in mixes:
            raise InputError(
                f"There is no region {region!r}: give a country's three-letter code, such as DEU or USA, or world."
            )
        with quiet():
            self._tracker = codecarbon.OfflineEmissionsTracker(
                country_iso_code=None if region == "world" else region, tracking_mode="process", output_methods=[],
                log_level="critical", allow_multiple_runs=True,  # without it, it would take over Ctrl-C
            )
        world = region == "world"
        self.place = "the world's mean: no region was named" if world else f"the mix of {mixes[region]['country_name']}"
        self.grams_per_kwh = float(_data("carbon_intensity_per_source.json")["world_average"]) if world else 0.0
        self.by = {
            "processor": f"{self.name}: the process's share of CPU time x the processor's rated power",
            "memory": f"{self.name}: 5 W per memory module, as many as the memory size suggests",
        }

    def start(self) -> None:
        with quiet():
            self._tracker.start_task()

    def stop(self) -> dict[str, float]:
        """Stop, and return the joules of each estimated component."""
        with quiet():
            reading = self._tracker.stop_task()
        if reading.energy_consumed > 0:
            self.grams_per_kwh = 1000 * reading.emissions / reading.energy_consumed
        return {"processor": JOULES_PER_KWH * reading.cpu_energy, "memory": JOULES_PER_KWH * reading.ram_energy}


def _data(name: str) -> dict:
    return json.loads((resources.files("codecarbon") / "data" / "private_infra" / name).read_text(encoding="utf-8"))
