"""Records beside the weights that were damaged, or written to do harm: a sentence, whatever they hold."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vqaudio import hub
from vqaudio.analysis import codebooks, exploration
from vqaudio.energy import verbs
from vqaudio.errors import InputError

NESTED = "[" * 1000 + "]" * 1000


@pytest.fixture
def folder(tmp_path) -> Path:
    """A codec's folder with everything that is measured of one."""
    return shutil.copytree(hub.WEIGHTS / "fsdd-8khz", tmp_path / "model")


def changed(value, path: tuple, new):
    """A copy of JSON's value with another at a place."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], new)
    return copy


def rewrite(folder: Path, name: str, path: tuple, new) -> None:
    (folder / name).write_text(json.dumps(changed(json.loads((folder / name).read_text()), path, new)))


@pytest.mark.parametrize("content", ["", "[", "null", "[]", "{}", "1", '"x"', NESTED, "9" * 5000, "\x00"])
def test_what_was_measured_of_a_codec_in_no_form_at_all(folder, content):
    (folder / "codebooks.json").write_text(content)
    with pytest.raises(InputError, match="codebook statistics in .* are damaged"):
        codebooks.load_statistics(folder)
    (folder / "exploration.json").write_text(content)
    with pytest.raises(InputError, match="rebuilds it"):
        exploration.load(folder)


@pytest.mark.parametrize("content", ["", "1", NESTED, "9" * 5000, '[{"a": 1}]', '{"a": 1}'], ids=range(6))
@pytest.mark.parametrize("name", ["metrics.json", "training.json"])
def test_a_card_of_damaged_records_is_not_written(folder, command, name, content):
    (folder / name).write_text(content)
    before = (folder / "README.md").read_text()
    code, _, err = command("card", "--model", folder)
    assert code == 2 and err.count("\n") == 1 and (folder / "README.md").read_text() == before


@pytest.mark.parametrize("path,new", [
    (("clips",), 7), (("clips",), []), (("clips", 0), "n" * 300), (("clips", 0), None), (("dataset",), "\x1b[2J"),
    (("dataset",), []),
])  # fmt: skip
def test_codebook_statistics_of_wrong_types(folder, path, new):
    rewrite(folder, "codebooks.json", path, new)
    with pytest.raises(InputError, match="codebook statistics in .* are damaged"):
        codebooks.load_statistics(folder)


@pytest.mark.parametrize("name,change", [
    ("train_counts", lambda x: x[:1]), ("test_counts", lambda x: -x), ("examples", lambda x: x.flatten()),
    ("examples", lambda x: torch.full_like(x, 2**30)), ("train_errors", lambda x: x * math.nan), ("test_errors", lambda x: x[:3]),
    ("train_counts", lambda x: x[:0]),
])  # fmt: skip
def test_codebook_tables_that_do_not_fit_each_other(folder, name, change):
    tensors = load_file(folder / "codebooks.safetensors")
    save_file(tensors | {name: change(tensors[name]).contiguous()}, folder / "codebooks.safetensors")
    with pytest.raises(InputError, match="codebook statistics in .* are damaged"):
        codebooks.load_statistics(folder)


@pytest.mark.parametrize("path,new", [
    (("map", "x"), [1.0]), (("map", "x", 0), "x"), (("map", "x", 0), math.nan), (("map", "words", 0), 0.5),
    (("map", "labels", "digit", 0), 99), (("distances", "shares"), []), (("distances", "edges"), [0.0, 1.0]),
    (("knows", "digit", "probe"), []), (("knows", "digit", "learned_from"), "x"), (("training", 0, "step"), [1]),
    (("training",), None), (("values", "digit"), []), (("columns",), "many"),
])  # fmt: skip
def test_an_exploration_of_wrong_types_or_lengths(folder, path, new):
    rewrite(folder, "exploration.json", path, new)
    with pytest.raises(InputError, match=r"exploration\.json is damaged|different lengths|not listed|rebuilds it"):
        exploration.load(folder)


@pytest.mark.parametrize("runs", ["x", [7], [{"steps": 1, "energy": 7}], [{"energy": {"steps": 1}}], {"a": 1}], ids=str)
def test_the_energy_of_training_in_a_wrong_form(folder, runs):
    (folder / "training.json").write_text(json.dumps(runs))
    with pytest.raises(InputError, match=r"training\.json is damaged"):
        verbs.training(folder)
