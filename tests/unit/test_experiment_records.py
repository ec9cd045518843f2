"""What is said of experiments' results: the spread over the seeds, the tables of the page, and of what is missing or damaged."""

import json
import math
from pathlib import Path

import pytest

from vqaudio.experiments import records
from vqaudio.experiments.records import Group, Record, Spread
from vqaudio.plots import experiment_figure

HERE = Path(__file__).resolve().parents[2] / "experiments"


def one(decay: float, seed: int, mel: float, loss: list[float]) -> dict:
    return {
        "key": "k", "setting": {"codec.decay": decay}, "seed": seed, "seconds": 1.0, "measures": {"mel_l1": mel, "used": 0.5},
        "curves": {"train_loss": {"step": [10, 20], "value": loss}},
    }  # fmt: skip


RUNS = [one(0.9, 0, 0.2, [4, 2]), one(0.9, 1, 0.4, [6, 2]), one(0.99, 0, 0.3, [5, 1])]
RECORD = Record("ema", "How slowly?", "codec", "fsdd-8khz-small", "vqaudio experiment run ema.toml", ["codec.decay"], 4, RUNS)


def test_mean_and_sample_deviation_over_the_seeds():
    spread = Spread.of([1.0, 2.0, 3.0])
    assert spread == Spread(2.0, 1.0, 3) and math.isnan(Spread.of([1.0]).deviation)


def test_the_table_has_a_row_a_setting():
    lines = records.table(RECORD).splitlines()
    assert lines[0] == "| codec.decay | seeds | mel-L1 | codewords used % |"
    assert lines[2:] == ["| 0.9 | 2 | 0.300 ± 0.141 | 50.0 ± 0.0 |", "| 0.99 | 1 | 0.300 | 50.0 |"]


def test_a_measure_that_some_run_lacks_is_in_no_table():
    runs = [*RUNS, one(0.99, 1, 0.3, [5, 1]) | {"measures": {"mel_l1": 0.3}}]
    assert Record(**vars(RECORD) | {"runs": runs}).measured() == ["mel_l1"]


def test_the_figure_draws_the_means_and_the_spread():
    figure = experiment_figure(records.title(RECORD), records.curves(RECORD), records.finals(RECORD))
    above, below = figure.subfigs
    lines = {line.get_label(): line.get_xydata().tolist() for line in above.axes[0].get_lines()}
    assert lines == {"codec.decay 0.9": [[10, 5], [20, 2]], "codec.decay 0.99": [[10, 5], [20, 1]]}
    assert above.axes[0].get_xlabel() == "training steps" and above.axes[0].get_ylabel() == "training loss"
    assert below.axes[0].get_xlabel() == "mel-L1"


def test_runs_that_were_looked_at_at_other_steps_have_no_curve():
    other = one(0.9, 2, 0.2, [1, 1])
    other["curves"]["train_loss"]["step"] = [10, 30]
    assert Group({}, [RUNS[0], other]).curve("train_loss") is None and Group({}, RUNS).curve("nothing") is None


def test_a_record_comes_back_from_its_file(tmp_path):
    records.write(tmp_path / "ema.json", RECORD)
    assert records.read(tmp_path / "ema.json") == RECORD
    with_runs = [line for line in (tmp_path / "ema.json").read_text().splitlines() if '"key"' in line]
    assert len(with_runs) == len(RUNS), "a run a line"


@pytest.mark.parametrize("form", ["png", "svg"])
def test_the_commands_show_it(command, tmp_path, form):
    records.write(tmp_path / "ema.json", RECORD)
    (tmp_path / "page.md").write_text("before\n<!-- table: ema by hand -->\nold\n<!-- /table -->\nafter\n")
    code, out, _ = command("experiment", "table", tmp_path / "ema.toml")
    assert code == 0 and records.table(RECORD) in out and "How slowly?" in out
    assert command("experiment", "table", tmp_path / "ema.json", "--page", tmp_path / "page.md")[0] == 0
    page = (tmp_path / "page.md").read_text()
    assert page == f"before\n<!-- table: ema by hand -->\n{records.table(RECORD)}\n<!-- /table -->\nafter\n"
    assert command("experiment", "plot", tmp_path / "ema.json", tmp_path / f"a.{form}") == (0, "", "")
    start = (tmp_path / f"a.{form}").read_bytes()[:300]
    assert start.startswith(b"\x89PNG") if form == "png" else b"<svg" in start or b"<?xml" in start


@pytest.mark.parametrize(("text", "said"), [
    (None, "There is no result"), ("{", "is damaged, or no experiment's result"), ("[]", "is damaged"),
    (json.dumps(vars(RECORD) | {"runs": [{"key": 1}]}), "is damaged"),
    (json.dumps(vars(RECORD) | {"runs": []}), "has no finished run: `vqaudio experiment run ema.toml` makes them"),
])  # fmt: skip
def test_a_result_that_is_missing_or_damaged_is_a_sentence(command, tmp_path, text, said):
    if text is not None:
        (tmp_path / "ema.json").write_text(text)
    code, _, err = command("experiment", "table", tmp_path / "ema.json")
    assert code == 2 and said in err and err.count("\n") == 1


def test_a_page_without_marks_and_a_folder_without_results_are_refused(command, tmp_path):
    records.write(tmp_path / "ema.json", RECORD)
    (tmp_path / "page.md").write_text("nothing")
    code, _, err = command("experiment", "table", tmp_path / "ema.json", "--page", tmp_path / "page.md")
    assert code == 2 and "has no place for this table" in err and (tmp_path / "page.md").read_text() == "nothing"
    assert "has no experiment results" in command("experiment", "table", "--folder", tmp_path)[2]


def test_the_page_shows_what_was_measured():
    found = records.read_all(HERE)
    assert {record.experiment for record in found} >= {"codebook-size", "ema-decay", "restarts", "quantiser-dropout", "beam"}
    for record in found:
        mark = f"<!-- table: {record.experiment} by vqaudio experiment table --page experiments/README.md -->"
        assert f"{mark}\n{records.table(record)}\n<!-- /table -->" in (HERE / "README.md").read_text()


def test_what_is_recorded_is_complete_and_of_the_recipes_as_they_are():
    from vqaudio.experiments import plan, runner

    for record in records.read_all(HERE):
        asked = plan.read(HERE / f"{record.experiment}.toml").runs()
        assert len(record.runs) == record.asked == len(asked) and min(len(group.runs) for group in record.groups()) >= 3
        assert set(record.by_identity()) == {runner.identity(run) for run in asked}
