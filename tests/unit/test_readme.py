"""The README: front matter, commands, links, tables, and the layout a newcomer reads."""

import json
import re
from pathlib import Path

import pytest

from vqaudio.evaluation.codec_evaluation import Scores, table

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_the_readme_has_the_two_commands():
    assert "pip install -r requirements.txt && python app.py" in README
    assert "pip install -r requirements.txt -r tests/requirements.txt && python -m pytest" in README


def test_the_space_runs_the_locked_gradio():
    version = re.search(r"^sdk_version: ([\d.]+)$", README, re.MULTILINE)[1]
    assert f"gradio=={version}" in (ROOT / "requirements.txt").read_text().splitlines()


def test_every_linked_file_exists():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("model", ["fsdd-8khz", "voice-16khz"])
@pytest.mark.parametrize("file", ["README.md", "weights/{model}/README.md"])
def test_the_table_matches_the_measurements(model, file):
    recorded = json.loads((ROOT / f"weights/{model}/metrics.json").read_text())
    assert table([Scores(**row) for row in recorded["rows"]]) in (ROOT / file.format(model=model)).read_text()


def test_weights_stay_under_ten_megabytes():
    sizes = {path: path.stat().st_size for path in ROOT.glob("weights/*/model.safetensors")}
    assert sizes and max(sizes.values()) < 10_000_000, sizes


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("vqaudio/codec.py", "Codec.decode turns stages into sound"),
        ("vqaudio/ui/clip/inpainting.py", "clip/inpainting.py receives its fill requests"),
        ("vqaudio/data/datasets", "a new dataset is one file in datasets/"),
        ("vqaudio/training/prior_task.py", "prior_task.py trains the masked prior"),
    ],
)
def test_the_layout_shows_a_newcomer_the_way(path, words):
    assert (ROOT / path).exists() and words in README


def test_the_readme_fits_in_150_lines():
    assert len(README.splitlines()) <= 150
