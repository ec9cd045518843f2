"""What energy is recorded: sums and states, meters that can and cannot be read, training runs, and the command."""

import json
import math
import signal
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from vqaudio import hub
from vqaudio.energy import meters, record
from vqaudio.energy.record import Component, Energy, Meter
from vqaudio.energy.training_run import RunMeter
from vqaudio.errors import InputError
from vqaudio.evaluation.card import training_in_words

pytest.importorskip("codecarbon", reason="the extra 'energy' is not installed")


def spent(joules: float, seconds: float = 2.0, state: str = "estimated") -> Energy:
    parts = (
        Component("processor", state, "a model", joules, 0.5), Component("graphics card", "absent", "not used"),
        Component("memory", "estimated", "another", 3.0, 2.0),
    )
    return Energy(seconds, 1.0, parts, "a machine", "DEU", 400.0, "the mix of Germany")


def busy(cpu_s: float) -> None:
    until = time.process_time() + cpu_s
    while time.process_time() < until:
        pass


def test_sums_and_what_is_above_idle():
    one = spent(5.0)
    assert one.joules == 8.0
    assert one.above_idle == pytest.approx((5.0 - 0.5 * 2) + 0.0)  # the memory took less than idle: not below 0
    assert one.grams == pytest.approx(8.0 / 3.6e6 * 400)
    both = one + spent(1.0, 3.0)
    assert (both.joules, both.seconds, both.cpu_s) == (12.0, 5.0, 2.0)
    assert [part.joules for part in both.components] == [6.0, None, 6.0]


def test_the_state_of_the_whole_is_that_of_its_parts():
    assert spent(1.0).state == "estimated"
    assert spent(1.0, state="measured").state == "partly estimated"
    assert (spent(1.0) + spent(1.0, state="measured")).components[0].state == "partly estimated"


def test_a_record_comes_back_as_it_was():
    saved = json.loads(json.dumps(spent(5.0).to_json()))
    assert saved["joules"] == 8.0 and saved["state"] == "estimated" and Energy.from_json(saved) == spent(5.0)
    with pytest.raises(InputError, match="not a record of energy"):
        Energy.from_json({"joules": 3})


@pytest.mark.parametrize(("joules", "said"), [(0.0123, "12.3 mJ"), (4.0, "4 J"), (5210.0, "5.21 kJ"), (2.5e6, "2,500 kJ")])
def test_joules_in_words(joules, said):
    assert record.joules_in_words(joules) == said


def test_work_is_metered_with_device_region_and_idle_named():
    handler = signal.getsignal(signal.SIGINT)
    meter = Meter("cpu", "DEU", idle_s=0.3)
    with meter:
        busy(0.5)
    found = meter.energy
    parts = {part.name: part for part in found.components}
    assert set(parts) == {"processor", "graphics card", "memory"} and parts["graphics card"].state == "absent"
    assert parts["graphics card"].by == "not used"
    assert parts["processor"].state in ("measured", "estimated") and parts["processor"].joules > 0
    assert all(part.by for part in parts.values()) and all(p.idle_w is not None for p in parts.values() if p.joules is not None)
    assert found.cpu_s >= 0.5 and found.seconds >= 0.4 and found.above_idle > 0
    assert found.region == "DEU" and "Germany" in found.carbon_by and 100 < found.grams_per_kwh < 1000
    assert record.processor() in found.device
    assert signal.getsignal(signal.SIGINT) is handler  # CodeCarbon's lock would take Ctrl-C away


def test_more_work_takes_more_energy():
    meter = Meter("cpu", idle_s=0)
    taken = []
    for cpu_s in (0.2, 0.8):
        with meter:
            busy(cpu_s)
        taken.append(meter.energy.components[0].joules)
    assert taken[1] > 2 * taken[0]


def test_a_counter_that_may_not_be_read_is_said_and_estimated_instead(monkeypatch):
    pytest.importorskip("zeus", reason="Zeus is not installed: Ray cannot live beside it")
    import zeus.device
    from zeus.device.cpu.common import ZeusCPUNoPermissionError

    def refuse():
        raise ZeusCPUNoPermissionError("Can't read file due to permission error")

    monkeypatch.setattr(zeus.device, "get_cpus", refuse)
    meter = Meter("cpu", idle_s=0)
    with meter:
        busy(0.1)
    (remark,) = meter.remarks
    assert "may not read it" in remark and remark.endswith(".") and "\n" not in remark
    assert meter.energy.components[0].state == "estimated"


def test_a_counter_that_can_be_read_is_preferred(monkeypatch):
    pytest.importorskip("zeus", reason="Zeus is not installed: Ray cannot live beside it")
    import zeus.device
    import zeus.monitor

    class Monitor:
        def __init__(self, gpu_indices, cpu_indices):
            assert cpu_indices == [0]

        def begin_window(self, key, restart):
            pass

        def end_window(self, key):
            return SimpleNamespace(cpu_energy={0: 7.5}, gpu_energy={}, dram_energy=None)

    monkeypatch.setattr(zeus.device, "get_cpus", lambda: ["package"])
    monkeypatch.setattr(zeus.monitor, "ZeusMonitor", Monitor)
    meter = Meter("cpu", idle_s=0)
    with meter:
        pass
    processor, _, memory = meter.energy.components
    assert (processor.state, processor.joules) == ("measured", 7.5) and "RAPL" in processor.by
    assert memory.state == "estimated" and meter.energy.state == "partly estimated" and not meter.remarks


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a graphics card here")
def test_a_graphics_card_without_a_counter_is_absent_and_said():
    pytest.importorskip("zeus", reason="Zeus is not installed: Ray cannot live beside it")
    counters = meters.Counters("cuda:0")
    assert "NVML" in counters.why["graphics card"] and any("NVML" in remark for remark in counters.remarks)


def test_without_zeus_the_processor_is_estimated_and_a_sentence_says_why(monkeypatch):
    monkeypatch.setitem(sys.modules, "zeus.monitor", None)
    meter = Meter("cpu", idle_s=0)
    with meter:
        busy(0.1)
    assert meter.energy.components[0].state == "estimated" and meter.energy.components[1].state == "absent"
    (remark,) = meter.remarks
    assert "Zeus is not installed" in remark and "\n" not in remark


def test_without_the_meters_a_sentence_says_what_to_do(monkeypatch, command, tiny_dataset, tmp_path):
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    run = ("train", "codec", "--data", tiny_dataset, "--out", tmp_path / "run", "--loop.energy", "--loop.steps", 1)
    for arguments in (run, ("energy",)):
        code, _, err = command(*arguments)
        assert code == 2 and "pip install -e .[energy]" in err and err.count("\n") == 1
    assert not (tmp_path / "run" / "training.json").exists()


def test_an_unknown_region_is_refused(command):
    code, _, err = command("energy", "--region", "Atlantis")
    assert code == 2 and "three-letter code" in err and err.count("\n") == 1


def test_a_training_run_with_the_option_is_recorded(monkeypatch, command, tiny_dataset, tmp_path):
    monkeypatch.setattr(record, "IDLE_S", 0.2)
    loop = ("--loop.steps", 2, "--loop.checkpoint-every", 1, "--loop.device", "cpu", "--loop.energy", "--loop.region", "FRA")
    code, out, err = command("train", "judge", "--data", tiny_dataset, "--out", tmp_path / "run", *loop)
    assert code == 0, err
    described = json.loads((tmp_path / "run" / "training.json").read_text())
    found = Energy.from_json(described["energy"])
    assert described["energy"]["steps"] == described["steps"] == 2
    assert 0 < found.seconds <= described["seconds"] + 1 and found.joules > 0 and found.region == "FRA"
    assert found.in_words() in training_in_words([described]) and "estimated" in out + training_in_words([described])


def test_a_run_that_was_interrupted_is_metered_over_both_parts(monkeypatch, tmp_path):
    monkeypatch.setattr(record, "IDLE_S", 0)
    path = tmp_path / "training.json"
    first = RunMeter(path, 0, "cpu", None)
    busy(0.1)
    recorded = first.record(10)
    path.write_text(json.dumps({"energy": recorded}))
    second = RunMeter(path, 10, "cpu", None)
    busy(0.1)
    both = second.record(25)
    assert recorded["steps"] == 10 and both["steps"] == 25 and both["joules"] > recorded["joules"]
    assert RunMeter(path, 10, None, None).record(25)["steps"] == 10  # gone on with unmetered: the record stays one of 10 steps
    assert RunMeter(path, 0, None, None).record(5) is None  # a new run in an old folder


def test_a_card_says_not_measured_where_it_was_not():
    run = {
        "command": "vqaudio train", "steps": 30, "seconds": 60.0, "processes": 2, "threads": 1, "device": "cpu", "torch": "2",
        "finished": "2026-01-01",
    }
    assert "energy not measured" in training_in_words([run])
    text = training_in_words([run | {"energy": spent(5.0).to_json() | {"steps": 20}}])
    assert "8 J, of which 4 J above idle (processor estimated by a model; memory estimated by another)" in text
    assert "for only 20 of its steps and the first process" in text


def test_the_command_reports_with_repeats_and_spread_and_keeps_it(monkeypatch, command, model_folder):
    monkeypatch.setattr(record, "IDLE_S", 0.2)
    code, out, err = command("energy", "--model", model_folder, "--repeats", 2, "--stretch-s", 0.2, "--priors", "--save")
    assert code == 0, err
    kept = hub.folder_of(model_folder) / "energy.json"
    found = json.loads(kept.read_text())
    kept.unlink()  # the folder is shared
    assert [use["what"] for use in found["uses"]] == ["an encoded second", "a decoded second"]
    for use in found["uses"]:
        assert use["joules"] > 0 and use["spread"] >= 0 and math.isfinite(use["spread"]) and use["repeats"] == 2
        assert f"| {use['joules']:.3g} |" in out
    assert "not measured" in out and "estimated" in out and "idle:" in out
    assert command("energy", "--model", model_folder, "--repeats", 1)[0] == 2
