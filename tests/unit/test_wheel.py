"""`pip install .` installs the package with its page, styles and report, and nothing else."""

import shutil
import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = {".py", ".js", ".css", ".html", ".typ"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory, environment) -> zipfile.ZipFile:
    """Built from a copy that contains a stub file by Gradio."""
    clone, target = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("wheel")
    for name in ("README.md", "LICENSE", "pyproject.toml"):
        shutil.copy(ROOT / name, clone / name)
    shutil.copytree(ROOT / "vqaudio", clone / "vqaudio", ignore=shutil.ignore_patterns("__pycache__"))
    (clone / "vqaudio" / "ui" / "build.pyi").write_text("")
    script = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", script, str(target)], cwd=clone, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(target.glob("*.whl")))


def test_the_wheel_holds_the_package_and_its_data(wheel):
    wanted = {path.relative_to(ROOT).as_posix() for path in (ROOT / "vqaudio").rglob("*") if path.suffix in DATA}
    assert {"vqaudio/report/report.typ", "vqaudio/ui/page.css", "vqaudio/ui/build.py"} <= wanted
    assert any(name.endswith(".js") for name in wanted) and any(name.endswith(".html") for name in wanted)
    assert wanted <= set(wheel.namelist())


def test_the_wheel_holds_nothing_else(wheel):
    assert {name.split("/")[0].split("-")[0] for name in wheel.namelist()} == {"vqaudio"}
    assert not [name for name in wheel.namelist() if name.endswith((".pyi", ".pyc", ".safetensors"))]


def test_the_wheel_names_its_command_and_its_pythons(wheel):
    info = next(name for name in wheel.namelist() if name.endswith("METADATA"))
    metadata = message_from_string(wheel.read(info).decode())
    assert set(metadata["Requires-Python"].split(",")) == {">=3.11", "<3.14"} and metadata["License-Expression"] == "MIT"
    commands = wheel.read(info.replace("METADATA", "entry_points.txt")).decode()
    assert "vqaudio = vqaudio.cli:main" in commands
