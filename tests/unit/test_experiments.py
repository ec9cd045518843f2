"""`vqaudio plot`: what lies in a folder of experiments is what is drawn."""

from pathlib import Path

import pytest

from vqaudio.experiments.curves import HEADER, read_curves, read_table
from vqaudio.plots import experiments_figure

HERE = Path(__file__).resolve().parents[2] / "experiments"
RECORD = '[{"recipe": "a", "settings": {"dim": 8}, "step": 20, "validation_bits": 2.0, "shipped": true}]'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.csv").write_text("step,train_bits,validation_bits,validation_other\n10,5,4.5,1\n15,4,,\n20,3,2.0,0\n")
    (tmp_path / "settings.csv").write_text("smoothing,validation_bits\n1,7\n")
    (tmp_path / "priors.json").write_text(RECORD)
    return tmp_path


def test_the_lines_are_the_numbers_of_the_files(folder):
    (curve,) = read_curves(folder)["bits"]
    figure = experiments_figure({"bits": [(curve.name, curve.steps, curve.scores)]}, HEADER, read_table(folder))
    (line,) = figure.axes[0].get_lines()
    assert line.get_label() == "a" and line.get_xydata().tolist() == [[10, 4.5], [20, 2.0]]
    cells = {text.get_text() for text in (cell.get_text() for cell in figure.axes[1].tables[0].get_celld().values())}
    assert {"a", "dim 8", "20", "2.000", "yes", *HEADER} <= cells


@pytest.mark.parametrize("form", ["png", "svg"])
def test_a_picture_is_written(command, folder, form):
    assert command("plot", folder / f"out.{form}", "--folder", folder) == (0, "", "")
    start = (folder / f"out.{form}").read_bytes()[:300]
    assert start.startswith(b"\x89PNG") if form == "png" else b"<svg" in start or b"<?xml" in start


@pytest.mark.parametrize(("change", "said"), [
    (lambda f: (f / "a.csv").unlink(), "holds no .csv file"),
    (lambda f: (f / "a.csv").write_text("step,validation_x\n1,a\n"), "a.csv is damaged"),
    (lambda f: (f / "priors.json").write_text('[{"recipe": 1}]'), "priors.json is damaged"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_a_sentence(command, folder, change, said):
    change(folder)
    code, _, err = command("plot", folder / "out.png", "--folder", folder)
    assert code == 2 and said in err and err.count("\n") == 1 and not (folder / "out.png").exists()


def test_other_targets_and_folders_are_refused(command, folder):
    assert command("plot", folder / "out.txt", "--folder", folder)[0] == 2
    assert command("plot", folder / "out.png", "--folder", folder / "nowhere")[0] == 2


def test_every_run_that_was_recorded_has_its_curve():
    names = {curve.name for curves in read_curves(HERE).values() for curve in curves}
    assert {"fsdd-8khz", "fsdd-8khz-masked", "fsdd-8khz-autoregressive"} <= names
    assert {row[0] for row in read_table(HERE)} >= {"fsdd-8khz-masked", "fsdd-8khz-naive-bayes"}
