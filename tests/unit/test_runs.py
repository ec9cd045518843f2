"""A training run: it stops where a number is not finite, continues only as the same run, and loses nothing to a kill."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vqaudio import files, hub
from vqaudio.errors import InputError
from vqaudio.training.loop import LoopConfig, Worker, fit
from vqaudio.training.record import RunFacts

CPU = Worker(torch.device("cpu"))


class Toy:
    """A task with one weight. `scalars`, `scores`, `weights`: step or validation number -> what it gives there."""

    def __init__(self, scalars=None, scores=None, weights=None, at_validation=None):
        self.net = torch.nn.Linear(1, 1)
        self.modules, self.learning_rates = {"net": self.net}, {"net": 0.5}
        self.optimisers = {"net": torch.optim.SGD(self.net.parameters(), lr=0.5)}
        self.scalars, self.scores, self.weights = scalars or {}, scores or {}, weights or {}
        self.looks, self.at_validation = 0, at_validation or (lambda look: None)

    def train_step(self, step):
        self.net.weight.data.fill_(self.weights.get(step, float(step)))
        return {"loss": torch.tensor(1.0), "gradient_norm": torch.tensor(1.0)} | {
            name: torch.tensor(value) for name, value in self.scalars.get(step, {}).items()
        }

    def validate(self):
        self.looks += 1
        self.at_validation(self.looks)
        return {"score": self.scores.get(self.looks, 1 / (2 + float(self.net.weight.detach()))), "other": math.nan}

    def sounds(self):
        return {}

    def export(self, folder: Path):
        for name in ("model.safetensors", "config.json"):
            (folder / name).write_text(str(float(self.net.weight.detach())))


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*") if path.is_file()
    }


LOOP = LoopConfig(steps=9, log_every=1, validate_every=4, checkpoint_every=2)


@pytest.mark.parametrize(
    ("task", "said", "kept"),
    [
        (Toy(scalars={6: {"loss": math.nan}}), r"step 7: loss nan, learning rate 0.0\d+\. The last checkpoint is kept", 6),
        (Toy(scalars={6: {"loss": -math.inf}}), "step 7: loss -inf, learning rate", 6),
        (Toy(scalars={6: {"gradient_norm": math.inf}}), "step 7: loss 1, gradient_norm inf, learning rate", 6),
        (Toy(weights={5: math.nan}), "step 6: loss 1, weights that are not finite, learning rate", 4),
        (Toy(scores={2: math.nan}), "step 8: loss 1, validation score nan, learning rate", 6),
    ],
)
def test_a_number_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path, task, said, kept):
    with pytest.raises(InputError, match=said):
        fit(task, LOOP, tmp_path, CPU)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["step"] == kept and float(state["modules"]["net"]["weight"]) == kept - 1
    assert (tmp_path / "best" / "model.safetensors").read_text() == "3.0" and not (tmp_path / "last").exists()


def test_a_run_whose_every_validation_is_nan_is_no_success(tmp_path):
    with pytest.raises(InputError, match="step 4: loss 1, validation score nan, learning rate"):
        fit(Toy(scores={1: math.nan}), LoopConfig(steps=9, validate_every=4, checkpoint_every=9), tmp_path, CPU)
    assert not (tmp_path / "checkpoint.pt").exists() and not (tmp_path / "best").exists()


def test_a_finished_run_writes_nothing_when_it_is_resumed(tmp_path):
    assert fit(Toy(), LOOP, tmp_path, CPU)["score"] < 1
    before = contents(tmp_path)
    assert set(before) >= {"checkpoint.pt", "metrics.csv", "training.json", "last/config.json", "best/config.json"}
    assert fit(Toy(), LOOP, tmp_path, CPU, resume=True) == {}
    assert contents(tmp_path) == before
    with pytest.raises(InputError, match="continue it with --resume"):
        fit(Toy(), LOOP, tmp_path, CPU)


def test_snapshots_are_evenly_spaced_and_change_nothing_else(tmp_path):
    plain, kept = (fit(Toy(), replace(LOOP, snapshots=n), tmp_path / str(n), CPU) for n in (0, 3))
    steps = [int(path.name) for path in sorted((tmp_path / "3" / "snapshots").iterdir())]
    assert steps == [round(LOOP.steps * i / 3) for i in (1, 2, 3)] and plain == kept
    assert not (tmp_path / "0" / "snapshots").exists()
    last, final = (tmp_path / "3" / name / "config.json" for name in ("last", f"snapshots/{LOOP.steps:07d}"))
    assert last.read_bytes() == final.read_bytes()
    assert fit(Toy(), replace(LOOP, snapshots=5), tmp_path / "3", CPU, resume=True) == {}, "another number may be resumed"


def test_the_last_model_of_a_finished_run_comes_back(tmp_path):
    fit(Toy(), LOOP, tmp_path, CPU)
    before = contents(tmp_path)
    shutil.rmtree(tmp_path / "last")
    fit(Toy(), LOOP, tmp_path, CPU, resume=True)
    assert {name: text for name, (text, _) in contents(tmp_path).items()} == {name: text for name, (text, _) in before.items()}


SETTINGS = {"codec": {"sample_rate": 8000, "hop": 160}, "training": {"workers": 0, "speeds": (1.0, 1.1)}}
DATA = {"dataset": "folder", "splits": {"train": {"clips": 12}}}


def test_a_run_with_other_settings_is_refused_by_name_and_nothing_is_written(tmp_path):
    with pytest.raises(InputError):
        fit(Toy(scalars={5: {"loss": math.nan}}), LOOP, tmp_path, CPU, facts=RunFacts(SETTINGS, DATA))
    before = contents(tmp_path)
    changed = [
        ({"codec": {"sample_rate": 16000, "hop": 160}}, DATA, LOOP, "--codec.sample-rate is 16000 and was 8000"),
        ({"training": {"speeds": (1.0,)}}, DATA, LOOP, r"--training.speeds is \[1.0\] and was \[1.0, 1.1\]"),
        (SETTINGS, {"splits": {"train": {"clips": 13}}}, LOOP, "the data's splits.train.clips is 13 and was 12"),
        (SETTINGS, DATA, LoopConfig(steps=10), "--loop.steps is 10 and was 9"),
        (SETTINGS, DATA, LoopConfig(steps=9, seed=1), "--loop.seed is 1 and was 0"),
    ]
    for settings, data, loop, said in changed:
        with pytest.raises(InputError, match=said):
            fit(Toy(), loop, tmp_path, CPU, resume=True, facts=RunFacts(settings, data))
        assert contents(tmp_path) == before
    free = {"codec": SETTINGS["codec"], "training": {"workers": 3, "speeds": (1.0, 1.1)}, "a later field": 1}
    fit(Toy(), LoopConfig(steps=9, log_every=3, device="cpu"), tmp_path, CPU, resume=True, facts=RunFacts(free, DATA))
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 9


def test_a_checkpoint_from_before_settings_were_kept_still_refuses_another_length(tmp_path):
    with pytest.raises(InputError):
        fit(Toy(scalars={5: {"loss": math.nan}}), LOOP, tmp_path, CPU)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    state |= {"loop": {"steps": 9, "seed": 0}}
    del state["settings"], state["data"]
    torch.save(state, tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match="--loop.steps is 5 and was 9"):
        fit(Toy(), LoopConfig(steps=5), tmp_path, CPU, resume=True)
    fit(Toy(), LOOP, tmp_path, CPU, resume=True)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 9


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut short"])
def test_a_damaged_checkpoint_gets_one_sentence(tmp_path, content):
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(InputError, match="checkpoint.pt is damaged"):
        fit(Toy(), LOOP, tmp_path, CPU, resume=True)


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler, lambda *_: None])
@pytest.mark.parametrize("outcome", ["finished", "diverged", "stopped"])
def test_the_signal_handlers_of_before_come_back(tmp_path, handler, outcome):
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        task = Toy(scores={1: math.nan} if outcome == "diverged" else {})
        if outcome == "stopped":
            task.at_validation = lambda look: os.kill(os.getpid(), signal.SIGTERM) if look == 1 else None
        try:
            fit(task, LOOP, tmp_path, CPU)
        except (InputError, KeyboardInterrupt):
            assert outcome != "finished"
        assert all(signal.getsignal(number) is handler for number in before)
    finally:
        for number, one in before.items():
            signal.signal(number, one)


def test_a_run_in_another_thread_leaves_the_handlers_alone(tmp_path):
    before, results = signal.getsignal(signal.SIGINT), []
    thread = threading.Thread(target=lambda: results.append(fit(Toy(), LOOP, tmp_path, CPU)))
    thread.start()
    thread.join()
    assert results[0]["score"] < 1 and signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_while_a_step_is_written_down_still_leaves_a_checkpoint(tmp_path):
    task = Toy(at_validation=lambda look: os.kill(os.getpid(), signal.SIGINT) if look == 1 else None)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 2;"):
        fit(task, LoopConfig(steps=9, validate_every=1, checkpoint_every=9), tmp_path, CPU)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 2


def test_ctrl_c_in_the_last_step_lets_the_run_finish(tmp_path):
    task = Toy(at_validation=lambda look: os.kill(os.getpid(), signal.SIGINT))
    assert fit(task, LoopConfig(steps=1), tmp_path, CPU) and (tmp_path / "last" / "config.json").exists()


# Kills.

KILLED_AT_EVERY_WRITE = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from test_runs import CPU, LOOP, Toy
from vqaudio.training.loop import fit

def counted(call):
    def counting(*arguments, **options):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return counting

for owner, name in ((os, "replace"), (Path, "rename"), (Path, "write_text"), (Path, "mkdir")):
    setattr(owner, name, counted(getattr(owner, name)))
for k in range(1, 1000):
    child = os.fork()
    if not child:
        left = k
        fit(Toy(), LOOP, Path(sys.argv[1], str(k)), CPU)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        break
"""


def whole_or_absent(folder: Path) -> bool:
    """Whether the model in this folder is one export's, or there is none."""
    files = [folder / name for name in ("model.safetensors", "config.json")]
    return not folder.exists() or len({path.read_text() for path in files}) == 1


def test_a_kill_at_any_write_leaves_whole_models_and_the_next_start_clears_up(tmp_path, environment):
    """One run is killed at its first write, the next one at its second, and so on until one ends; each is then resumed."""
    environment = environment | {"PYTHONPATH": os.pathsep.join([environment["PYTHONPATH"], str(Path(__file__).parent)])}
    subprocess.run([sys.executable, "-c", KILLED_AT_EVERY_WRITE, str(tmp_path)], env=environment, check=True, timeout=300)
    runs = sorted(tmp_path.iterdir(), key=lambda path: int(path.name))
    whole = runs.pop()
    assert len(runs) > 30
    for run in runs:
        assert all(whole_or_absent(run / name) for name in ("best", "last"))
        fit(Toy(), LOOP, run, CPU, resume=True)
        assert {path.relative_to(run) for path in run.rglob("*")} == {path.relative_to(whole) for path in whole.rglob("*")}
        for name in ("best/model.safetensors", "last/model.safetensors"):
            assert (run / name).read_bytes() == (whole / name).read_bytes()
        states = [torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (whole, run)]
        assert states[0]["step"] == states[1]["step"] and states[0]["best"] == states[1]["best"]
        assert torch.equal(*(state["modules"]["net"]["weight"] for state in states))


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    target = tmp_path / "best"
    files.replace_folder(target, lambda path: (path / "a").write_text("1"))

    def fails(path):
        (path / "a").write_text("2")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        files.replace_folder(target, fails)
    assert (target / "a").read_text() == "1"
    files.replace_folder(target, lambda path: (path / "b").write_text("3"))
    assert [path.name for path in tmp_path.rglob("*")] == ["best", "b"]


def test_a_replacement_that_was_cut_short_is_put_back(tmp_path):
    (tmp_path / ".best.old").mkdir()
    (tmp_path / ".best.old" / "config.json").write_text("former")
    (tmp_path / ".best.tmp").mkdir()
    (tmp_path / "sounds").mkdir()
    (tmp_path / "sounds" / ".a.wav.1.tmp").write_text("left over")
    (tmp_path / "keep.tmp").write_text("a person's")
    files.clear_stale(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")} == {"best", "best/config.json", "sounds", "keep.tmp"}


def test_in_a_shared_folder_only_old_temporary_files_go(tmp_path):
    for name, age_s in ((".1-ab.tmp", 7200), (".2-cd.tmp", 5)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)
    files.clear_stale(tmp_path, older_than_s=3600)
    assert [path.name for path in tmp_path.iterdir()] == [".2-cd.tmp"]


def test_weights_too_large_for_half_precision_are_not_exported(codec, tmp_path):
    next(codec.parameters()).data.fill_(1e6)
    with pytest.raises(InputError, match="too large for half precision"):
        hub.save_compact(codec, tmp_path / "model")
    assert not list(tmp_path.glob("model/*"))


def test_training_json_says_what_was_trained_on(tmp_path):
    fit(Toy(), LOOP, tmp_path, CPU, facts=RunFacts(SETTINGS, DATA))
    assert json.loads((tmp_path / "training.json").read_text())["data"] == DATA
