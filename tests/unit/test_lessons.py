"""The notebooks: shared helpers, stored outputs, and the cell that opens each of them in Colab."""

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import torch
from matplotlib.figure import Figure

from vqaudio import lessons
from vqaudio.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
WITHOUT_SOUND = ("02_quantiser", "06_energy")


def cells(path: Path) -> list[dict]:
    return json.loads(path.read_text())["cells"]


def setup_of(path: Path) -> str:
    return next("".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "code")


def test_players_keep_the_level_and_escape_the_name():
    soft, loud = torch.full((1, 1, 80), 0.1), torch.tensor([0.5, -0.5, 3.0])
    page = lessons.players({"soft": soft, "<b>": loud}, 8000).data
    sounds = [soundfile.read(io.BytesIO(base64.b64decode(data)))[0] for data in re.findall(r"base64,([^\"]+)", page)]
    assert abs(sounds[0].max() - 0.1) < 1e-4 and len(sounds[0]) == 80
    assert abs(sounds[1][:2] - [0.5, -0.5]).max() < 1e-4 and 0.999 < sounds[1][2] <= 1
    assert "&lt;b&gt;" in page and "<b>" not in page


def test_a_spectrogram_shows_a_tone_at_its_frequency():
    axis = Figure().subplots()
    top_db = lessons.draw_spectrogram(axis, torch.sin(torch.arange(8000) * 2 * torch.pi * 1000 / 8000), 8000)
    picture, (left, right, low, high) = axis.images[0].get_array(), axis.images[0].get_extent()
    assert (left, right, low, high) == (0, 1, 0, 4) and abs(top_db) < 1
    assert picture[:, picture.shape[1] // 2].argmax() == round(1.0 / 4 * (len(picture) - 1))


def test_a_codemap_shows_ids_holes_and_the_outline(codec):
    codes = codec.encode(torch.randn(1, 1, 3 * codec.hop) * 0.1)
    mask = torch.zeros(codes.ids.shape, dtype=torch.bool)
    mask[0, 0, :2] = True
    axis = Figure().subplots()
    lessons.draw_codemap(axis, codec, codes, mask, codes.ids.masked_fill(mask, -1), numbers=True)
    assert torch.equal(torch.tensor(axis.images[0].get_array().mask), mask[0])
    assert [int(text.get_text()) for text in axis.texts][3:] == codes.ids[0, 1:].flatten().tolist()
    assert len(axis.lines) == 6  # a 2 by 1 rectangle in unit edges


def test_a_table_has_its_rows():
    assert lessons.table(["a", "b"], [[1, "x"]]).data == "| a | b |\n| --- | --- |\n| 1 | x |"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_opens_in_colab_and_is_small(path):
    first = cells(path)[0]
    assert first["cell_type"] == "markdown" and f"({lessons.colab_link(path)})" in "".join(first["source"])
    known = setup_of(NOTEBOOKS[0]).splitlines()
    assert [line for line in setup_of(path).splitlines() if not line.startswith("DATASETS")] == [
        line for line in known if not line.startswith("DATASETS")
    ]
    assert path.stat().st_size < 2_000_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_its_outputs(path):
    code = [cell for cell in cells(path) if cell["cell_type"] == "code"]
    kinds = [kind for cell in code for output in cell["outputs"] for kind in output.get("data", {})]
    assert "image/png" in kinds and all(cell["execution_count"] for cell in code)
    assert not [output for cell in code for output in cell["outputs"] if output["output_type"] == "error"]
    assert "<audio" in path.read_text() or path.stem in WITHOUT_SOUND


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_ends_with_things_to_try_and_three_questions(path):
    text = "".join("".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "markdown")
    assert "**Try**" in text
    answers = re.findall(r"<details><summary>\d\. .+?\?</summary>(.+?)</details>", text.partition("**Questions**")[2])
    assert len(answers) == 3 and min(map(len, answers)) > 30


def test_the_links_follow_the_repository(tmp_path, monkeypatch):
    monkeypatch.setattr(lessons, "ROOT", tmp_path)
    monkeypatch.setattr(lessons, "REPOSITORY", tmp_path / "docs" / "repository.txt")
    for folder in ("docs", "notebooks"):
        (tmp_path / folder).mkdir()
    copy = Path(shutil.copy(NOTEBOOKS[0], tmp_path / "notebooks"))
    lessons.set_repository("somebody/course-2027")
    link = f"https://colab.research.google.com/github/somebody/course-2027/blob/main/notebooks/{copy.name}"
    assert f"({link})" in "".join(cells(copy)[0]["source"]) and lessons.colab_link(copy) == link
    with pytest.raises(InputError, match="OWNER/NAME; not 'course'"):
        lessons.set_repository("course")


@pytest.mark.skipif(not shutil.which("git"), reason="git is not here")
def test_the_first_code_cell_fetches_the_project_in_colab(tmp_path):
    """Uses a repository with the package, and a stand-in for Colab's module."""
    source = tmp_path / "source"
    shutil.copytree(ROOT / "vqaudio", source / "vqaudio", ignore=shutil.ignore_patterns("__pycache__"))
    (source / "requirements.txt").write_text("torch\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", source]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *arguments], check=True)
    (tmp_path / "fake" / "google" / "colab").mkdir(parents=True)
    (tmp_path / "fake" / "google" / "colab" / "__init__.py").touch()
    work = tmp_path / "content"
    work.mkdir()
    setup = re.sub(r"^DATASETS = .*$", "DATASETS = []", setup_of(NOTEBOOKS[0]), flags=re.MULTILINE)
    code = f"import google.colab\n{setup}\nimport vqaudio; print(vqaudio.__file__)"
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "REPOSITORY")}
    run = lambda **more: subprocess.run(  # noqa: E731
        [sys.executable, "-P", "-c", code], cwd=work, capture_output=True, text=True, timeout=300,
        env=environment | {"PYTHONPATH": str(tmp_path / "fake"), "PIP_NO_INDEX": "1"} | more,
    )
    assert "REPOSITORY" in run().stderr.splitlines()[-1]
    found = run(REPOSITORY=str(source))
    assert found.stdout.strip() == str(work / "vqaudio" / "vqaudio" / "__init__.py"), found.stderr
    again = run(REPOSITORY=str(source))
    assert again.returncode == 0, again.stderr
