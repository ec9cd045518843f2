"""The README's front matter, commands and table are true."""

import json
import re
from pathlib import Path

import pytest

from vqaudio.evaluation.codec_evaluation import Scores, table

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_the_two_commands_stand_in_the_readme():
    assert "pip install -r requirements.txt && python app.py" in README
    assert "pip install -r requirements.txt -r tests/requirements.txt && python -m pytest" in README


def test_the_space_runs_the_locked_gradio():
    version = re.search(r"^sdk_version: ([\d.]+)$", README, re.MULTILINE)[1]
    assert f"gradio=={version}" in (ROOT / "requirements.txt").read_text().splitlines()


def test_every_file_that_the_readme_links_to_is_there():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("model", ["fsdd-8khz", "voice-16khz"])
@pytest.mark.parametrize("file", ["README.md", "weights/{model}/README.md"])
def test_the_table_is_what_was_measured(model, file):
    recorded = json.loads((ROOT / f"weights/{model}/metrics.json").read_text())
    assert table([Scores(**row) for row in recorded["rows"]]) in (ROOT / file.format(model=model)).read_text()


def test_weights_stay_under_ten_megabytes():
    sizes = {path: path.stat().st_size for path in ROOT.glob("weights/*/model.safetensors")}
    assert sizes and max(sizes.values()) < 10_000_000, sizes
