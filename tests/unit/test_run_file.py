"""run.toml: what made a run, and the same run again; what a run prints."""

import re
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

import vqaudio
from vqaudio import hub
from vqaudio.errors import InputError
from vqaudio.experiments.worker import _last_words
from vqaudio.training import run_file
from vqaudio.training.prior_recipes import PRIOR_RECIPES
from vqaudio.training.question_recipes import QUESTION_RECIPES
from vqaudio.training.recipes import CODEC_RECIPES, JUDGE_RECIPES
from vqaudio.training.record import RunFacts
from vqaudio.training.setup import parse

ALL = {"codec": CODEC_RECIPES, "prior": PRIOR_RECIPES, "judge": JUDGE_RECIPES, "questions": QUESTION_RECIPES}
TINY = (
    *("--recipe", "fsdd-8khz-small", "--codec.encoder-channels", 16, "--codec.decoder-channels", 16, "--codec.vocab", 16),
    *("--loop.device", "cpu", "--training.batch-size", 4, "--loop.steps", 2),
)


def again(folder: Path, recipes: dict, *options: str):
    return parse(["--config", str(folder / run_file.FILE), *options], recipes, "?", "vqaudio")


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, recipes in ALL.items() for name in recipes])
def test_every_recipe_comes_back(kind, name, tmp_path):
    settings = vars(ALL[kind][name])
    run_file.write(tmp_path, RunFacts(settings, recipe=name, data_folder=Path("/data/été \"1\"")), "cpu")
    found = run_file.read(tmp_path / run_file.FILE)
    assert found.applied(type(ALL[kind][name])()) == ALL[kind][name]
    assert (found.recipe, found.data) == (name, Path("/data/été \"1\""))


def test_changed_settings_come_back_and_options_change_them_again(tmp_path):
    recipe = CODEC_RECIPES["voice-16khz"]
    changed = replace(recipe, start_from="runs/x/best", codec=replace(recipe.codec, reference_level_db=None, vocab=64))
    run_file.write(tmp_path, RunFacts(vars(changed), recipe="voice-16khz"), "cpu")
    assert again(tmp_path, CODEC_RECIPES).settings == changed
    again_changed = again(tmp_path, CODEC_RECIPES, "--codec.vocab", "32").settings
    assert again_changed == replace(changed, codec=replace(changed.codec, vocab=32))


def test_a_run_describes_itself_and_is_started_again(command, tiny_dataset, tmp_path):
    out = tmp_path / "sparrows"
    code, printed, err = command("train", "codec", *TINY, "--data", tiny_dataset, "--out", out)
    assert code == 0, err
    labels = r"labels: digit \(\d+\), speaker \(\d+\)"
    assert re.match(rf"Training [\d,]+ parameters on \d+ clips \([\d.e-]+ h\) of fsdd, {labels}", printed)
    assert f"Output: {out}" in printed and max(map(len, re.split("[\r\n]", err))) <= 99
    found = tomllib.loads((out / "run.toml").read_text())
    assert found["run"]["version"] == vqaudio.__version__ and found["run"]["command"].startswith("vqaudio")
    assert {"recipe", "data", "machine", "torch"} <= set(found["run"])
    assert re.fullmatch("[0-9a-f]{32}", found["data"]["fingerprint"])
    assert found["codec"]["vocab"] == 16 and found["loop"]["steps"] == 2 and found["data"]["splits"]["train"]["clips"] > 0
    assert command("train", "codec", "--config", out / "run.toml", "--out", tmp_path / "again")[0] == 0
    one, two = (vqaudio.load(folder / "best") for folder in (out, tmp_path / "again"))
    assert one.fingerprint == two.fingerprint and (one.name, two.name) == ("sparrows", "again")


def test_a_run_becomes_longer_or_shorter(command, tiny_dataset, tmp_path):
    arguments = ("train", "codec", *TINY[:-2], "--data", tiny_dataset, "--out", tmp_path)
    steps = lambda: (tmp_path / "metrics.csv").read_text().splitlines()[-1].split(",")[0]  # noqa: E731
    assert command(*arguments, "--loop.steps", 2)[0] == 0 and steps() == "2"
    code, _, err = command(*arguments, "--resume")
    assert code == 2 and "--loop.steps is 250 and was 2" in err
    assert command(*arguments, "--resume", "--loop.steps", 3)[0] == 0 and steps() == "3"
    assert "nothing left to do" in command(*arguments, "--resume", "--loop.steps", 1)[1]


@pytest.mark.parametrize(("text", "message"), [
    ("[run", "is not TOML"), ("", "names no recipe"), ("[run]\nrecipe = 3", "names no recipe"),
    ('[run]\nrecipe = "fsdd-8khz"\n[codec]\ncolour = 3', "no setting codec.'colour' in this recipe"),
    ('[run]\nrecipe = "fsdd-8khz"\n[loop]\nsteps = 0', "--loop.steps is 0; it takes"),
    ('[run]\nrecipe = "fsdd-8khz"\n[loop]\nsteps = "many"', "--loop.steps is 'many'; it takes"),
    ('codec = 3\n[run]\nrecipe = "fsdd-8khz"', "codec is 3; it takes a table"),
    ('[run]\nrecipe = "fsdd-8khz"\n[loop.steps]\na = 1', "loop.steps is .*; it takes a value"),
    ('[run]\nrecipe = "fsdd"', "no recipe 'fsdd'; the nearest is"),
])  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(text, message, tmp_path):
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(InputError, match=message):
        again(tmp_path, CODEC_RECIPES)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        again(tmp_path, CODEC_RECIPES)


def test_a_failed_experiment_quotes_the_error(tmp_path):
    bar = " 10%|#         | 20/200 [00:10<01:30,  2.00step/s, loss=0.3]"
    (tmp_path / "log.txt").write_text(f"Training 3 parameters\n{bar}\r{bar}\nvqaudio: Training diverged at step 3.\n{bar}\r")
    assert _last_words(tmp_path / "log.txt", 2).startswith("Training diverged at step 3. (")
    (tmp_path / "log.txt").write_text(f"Killed by the system\n{bar}\r")
    assert _last_words(tmp_path / "log.txt", 2).startswith("Killed by the system (")
    (tmp_path / "log.txt").write_text(bar)
    assert _last_words(tmp_path / "log.txt", -9).startswith("the process ended with code -9")


def test_models_are_named_by_their_run(model_folder, tmp_path):
    for name in ("best", "last"):
        shutil.copytree(model_folder, tmp_path / "owls" / name)
        assert hub.load(tmp_path / "owls" / name).name == "owls"
