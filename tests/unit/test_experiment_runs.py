"""Running experiments: finished runs are kept, interrupted ones go on, failed ones are named; who runs them changes nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vqaudio.experiments import plan, records, runner, scheduling, worker
from vqaudio.experiments.job import Failed, Stopped

ROOT = Path(__file__).resolve().parents[2]
TINY = """
recipe = "fsdd-8khz-small"
question = "Is it kept?"
seeds = [0, 1]
[options]
codec.encoder-channels = 16
codec.decoder-channels = 16
codec.frame-channels = 16
codec.latent-dim = 8
codec.n-stages = 4
codec.vocab = 8
training.batch-size = 2
training.crop-s = 0.2
loop.steps = 3
[grid]
"codec.decay" = [0.9, 0.99]
"""


@pytest.fixture
def experiment(tmp_path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


def pretended(job) -> dict:
    """The record of a run that was not trained: what is tried here is who calls it, and what becomes of its record."""
    facts = {"steps": 3, "seconds": 0.1, "device": "cpu", "threads": 1, "torch": "x", "finished": "today"}
    measures = {"mel_l1": 0.5 + job.run.seed + sum(job.run.measuring.values()) / 100}
    return {"key": job.run.key, "setting": job.run.setting, "seed": job.run.seed, "train": "x", **facts, "measures": measures,
            "curves": {"train_loss": {"step": [1, 2], "value": [2.0, 1.0 + job.run.seed]}}}  # fmt: skip


@pytest.fixture
def pretend(monkeypatch):
    """Replace the process of its own that each run is given; returns the jobs that were asked for."""
    asked = []

    def start(starter, job):
        if starter.stopped:
            raise Stopped
        asked.append(job)
        return pretended(job)

    monkeypatch.setattr(worker.Starter, "__call__", start)
    return asked


def run(path: Path, **options) -> records.Record:
    return runner.run(plan.read(path), path.with_suffix(".json"), path.parent / "runs", "the command", **options)


def test_every_run_is_recorded_in_the_order_of_the_grid(experiment, pretend):
    record = run(experiment)
    assert [(one["setting"]["codec.decay"], one["seed"]) for one in record.runs] == [(0.9, 0), (0.9, 1), (0.99, 0), (0.99, 1)]
    assert record == records.read(experiment.with_suffix(".json")) and record.asked == 4 and record.command == "the command"


def test_finished_runs_are_not_run_again(experiment, pretend):
    run(experiment)
    assert len(pretend) == 4
    run(experiment)
    assert len(pretend) == 4
    experiment.write_text(TINY.replace("[0.9, 0.99]", "[0.99, 0.999]"))
    record = run(experiment)
    assert len(pretend) == 6 and {one["setting"]["codec.decay"] for one in record.runs} == {0.99, 0.999}


def test_runs_that_differ_in_how_they_are_measured_share_a_folder_and_wait_for_each_other(experiment, pretend):
    experiment.write_text(TINY.replace('"codec.decay" = [0.9, 0.99]', '"measure.beam" = [1, 4]'))
    record = run(experiment)
    assert [job.run.measuring["beam"] for job in pretend] == [1, 1, 4, 4]
    assert len({job.folder for job in pretend}) == 2 and len({job.record_path for job in pretend}) == 4
    assert [one["measures"]["mel_l1"] for one in record.runs] == [0.51, 1.51, 0.54, 1.54]


def test_a_run_that_fails_is_named_and_the_others_are_kept(experiment, monkeypatch):
    def start(starter, job):
        if job.run.setting["codec.decay"] == 0.99 and job.run.seed == 0:
            raise Failed("the disk is full (log.txt)")
        return pretended(job)

    monkeypatch.setattr(worker.Starter, "__call__", start)
    with pytest.raises(Exception, match="1 of 4 runs failed; the others are kept. The first error: codec.decay 0.99, .*the disk"):
        run(experiment)
    assert len(records.read(experiment.with_suffix(".json")).runs) == 3


def test_an_interrupted_experiment_keeps_what_is_finished(experiment, monkeypatch):
    done = []

    def start(starter, job):
        if starter.stopped:
            raise Stopped
        done.append(job)
        return pretended(job)

    def interrupted(run_record):
        if len(done) >= 2:
            raise KeyboardInterrupt
        return "x"

    monkeypatch.setattr(worker.Starter, "__call__", start)
    monkeypatch.setattr(records, "in_short", interrupted)
    with pytest.raises(KeyboardInterrupt, match="stopped: 2 of 4 runs are finished and kept; run the same command to continue"):
        run(experiment, at_once=1)
    kept = records.read(experiment.with_suffix(".json"))
    assert len(kept.runs) == 2 and kept.asked == 4
    monkeypatch.setattr(records, "in_short", lambda one: "x")
    before = len(done)
    assert len(run(experiment).runs) == 4 and len(done) == before + 2


@pytest.mark.parametrize(("change", "said"), [
    (lambda text: text.replace("[0.9, 0.99]", "[]"), "it has no runs, because codec.decay is empty"),
    (lambda text: text.replace("seeds = [0, 1]", "seeds = []"), "it has no runs, because seeds is empty"),
    (lambda text: text.replace("seeds = [0, 1]", f"seeds = {list(range(600))}"), "it has 1,200 runs"),
])  # fmt: skip
def test_nothing_and_thousands_are_asked_about(command, experiment, pretend, monkeypatch, change, said):
    experiment.write_text(change(TINY))
    code, _, err = command("experiment", "run", experiment)
    assert code == 2 and f"tiny: {said}. Confirm with --yes." in err and err.count("\n") == 1 and not pretend
    monkeypatch.setattr(runner.sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr("builtins.input", lambda question: "n")
    assert command("experiment", "run", experiment)[0] == 2 and not pretend
    assert command("experiment", "run", experiment, "--yes", "--runs", experiment.parent / "runs")[0] == 0
    assert len(pretend) == plan.read(experiment).size
    assert len(records.read(experiment.with_suffix(".json")).runs) == plan.read(experiment).size


def test_no_more_at_once_than_there_are_cores(experiment, pretend, monkeypatch):
    monkeypatch.setattr(scheduling.os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    run(experiment, at_once=2)
    assert {job.threads for job in pretend} == {2}
    experiment.with_suffix(".json").unlink()
    run(experiment, at_once=99)
    assert pretend[-1].threads == 1


def test_a_real_experiment_from_the_command_line(command, experiment, tiny_dataset):
    """Trained, measured, and when it is cut short gone on with, to the same numbers."""
    arguments = ("experiment", "run", experiment, "--data", tiny_dataset, "--runs", experiment.parent / "runs", "--at-once", 1)
    experiment.write_text(TINY.replace("seeds = [0, 1]", "seeds = [0]"))
    code, out, err = command(*arguments)
    assert code == 0, err
    assert "2 of 2: codec.decay 0.99, seed 0: mel-L1 " in out and "| codec.decay | seeds | mel-L1 |" in out
    record = records.read(experiment.with_suffix(".json"))
    one = record.runs[0]
    assert one["measures"]["bits_paid"] == 12 and 0 < one["measures"]["bits_carried"] <= 12 and 0 < one["measures"]["used"] <= 1
    assert one["curves"]["validation_mel_l1"]["step"] == [3] and "train_gradient_encoder" in one["curves"]
    assert one["train"].startswith("vqaudio train codec --recipe fsdd-8khz-small --codec.encoder-channels 16")
    folder = next((experiment.parent / "runs").glob(f"*-{one['key'][:8]}-seed0"))
    assert json.loads((folder / "training.json").read_text())["command"].startswith("vqaudio train codec --recipe")
    experiment.with_suffix(".json").unlink()
    shutil.rmtree(folder / "last")  # as if it had been stopped behind its last checkpoint
    (folder / "measured-beam1.json").unlink()
    assert command(*arguments)[0] == 0
    assert records.read(experiment.with_suffix(".json")).runs[0]["measures"] == one["measures"]


def test_a_training_that_cannot_begin_fails_in_one_sentence(command, experiment, tmp_path):
    (tmp_path / "empty").mkdir()
    arguments = ("experiment", "run", experiment, "--data", tmp_path / "empty", "--runs", tmp_path / "runs", "--at-once", 1)
    code, _, err = command(*arguments)
    assert code == 2 and "4 of 4 runs failed" in err and "holds no FSDD recordings" in err and err.count("\n") == 1


def test_ctrl_c_leaves_a_checkpoint_and_the_same_command_goes_on(experiment, tiny_dataset, environment):
    endless = "loop.steps = 100000\nloop.validate-every = 100000\nloop.log-every = 1"
    experiment.write_text(TINY.replace("loop.steps = 3", endless).replace("0, 1]", "0]"))
    runs = experiment.parent / "runs"
    arguments = [sys.executable, "-m", "vqaudio", "experiment", "run", experiment, "--data", tiny_dataset, "--runs", runs]
    process = subprocess.Popen(list(map(str, [*arguments, "--at-once", 1])), env=environment, stderr=subprocess.PIPE, text=True,
                               cwd=experiment.parent, preexec_fn=hear_ctrl_c)  # fmt: skip
    until(lambda: any(runs.glob("*/metrics.csv")))
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 130 and "stopped: 0 of 2 runs are finished and kept" in said
    assert len(list(runs.glob("*/checkpoint.pt"))) == 1, "the run in hand left a checkpoint; the other did not begin"


def hear_ctrl_c() -> None:
    """Undo what a shell does to the commands that it starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def until(happened, patience_s: float = 240) -> None:
    end = time.monotonic() + patience_s
    while not happened():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.2)


def test_submitit_runs_an_array_here(experiment, tiny_dataset):
    pytest.importorskip("submitit")
    experiment.write_text(TINY.replace("seeds = [0, 1]", "seeds = [0]").replace("[0.9, 0.99]", "[0.9]"))
    limits = {"partition": None, "minutes": 10, "cores": 1, "memory_gb": 2}
    record = run(experiment, on="submitit", data=tiny_dataset, limits=limits)
    assert len(record.runs) == 1 and record.runs[0]["measures"]["mel_l1"] > 0 and record.runs[0]["threads"] == 1
    assert list((experiment.parent / "runs" / "submitit").glob("*_result.pkl"))


def test_ray_runs_them_too_and_says_what_fails(experiment, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(scheduling, "run", pretended_or_failed)
    here = Path(__file__).resolve().parent
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(here), str(here.parent.parent)]))  # where Ray's workers find both
    try:
        with pytest.raises(Exception, match="1 of 4 runs failed; the others are kept. The first error: codec.decay 0.9, .*: no"):
            run(experiment, on="ray", at_once=1)
        assert len(records.read(experiment.with_suffix(".json")).runs) == 3
    finally:
        ray.shutdown()


def pretended_or_failed(job) -> dict:
    if job.run.setting["codec.decay"] == 0.9 and job.run.seed == 1:
        raise Failed("no data")
    return pretended(job)


def test_without_slurm_it_says_so(command, experiment, monkeypatch):
    monkeypatch.setenv("PATH", str(experiment.parent))
    code, _, err = command("experiment", "run", experiment, "--on", "slurm")
    assert code == 2 and "There is no Slurm here" in err


@pytest.mark.parametrize(("on", "module"), [("ray", "ray"), ("submitit", "submitit")])
def test_a_scheduler_that_is_not_installed_is_named(command, experiment, monkeypatch, on, module):
    monkeypatch.setitem(sys.modules, module, None)
    code, _, err = command("experiment", "run", experiment, "--on", on)
    assert code == 2 and f"{module.capitalize() if on == 'ray' else module} is not installed. Run `pip install" in err
