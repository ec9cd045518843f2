"""A Space in one command: its folder, the checks, and the upload to a stand-in for the Hub."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hub_stand_in import hub_stand_in

from vqaudio import space
from vqaudio.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
FRONT_MATTER = """---
title: vqaudio
emoji: 🎚️
colorFrom: indigo
colorTo: yellow
sdk: gradio
sdk_version: 6.31.0
python_version: "3.12"
app_file: app.py
license: mit
---
# vqaudio
"""


@pytest.fixture
def project(tmp_path) -> Path:
    """A small clone of the project, with files that a Space does not need."""
    root = tmp_path / "clone"
    files = {
        "README.md": FRONT_MATTER, "LICENSE": "MIT", "requirements.txt": "gradio==6.31.0\ntorch==2.13.0\n", "pyproject.toml": "",
        "app.py": "print('app')", "vqaudio/__init__.py": "", "vqaudio/ui/page.css": "", "vqaudio/ui/codemap/main.js": "",
        "vqaudio/report/report.typ": "", "vqaudio/ui/build.pyi": "stub", "vqaudio/__pycache__/a.py": "cache",
        "weights/a/config.json": '{"module": "codecs.waveform"}', "weights/a/README.md": "---\nlicense: mit\n---\n",
        "weights/a/model.safetensors": "\0weights", "weights/a/checkpoint.pt": "optimiser",
        "weights/judge/config.json": '{"module": "evaluation.judges"}', "assets/README.md": "", "assets/app.png": "\0picture",
        "assets/.DS_Store": "", "docs/README.md": "", "docs/page.html": "", "notebooks/01.ipynb": "{}",
        "notebooks/conftest.py": "",
        "tests/unit/test_a.py": "", "benchmarks/codec.py": "", "experiments/a.csv": "", "runs/a/log": "",
    }  # fmt: skip
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


@pytest.fixture
def folder(project, tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(space, "ROOT", project)
    space.write(tmp_path / "space")
    return tmp_path / "space"


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# --- the folder ---------------------------------------------------------------------------------------------------------------


def test_the_folder_holds_what_the_app_needs_and_no_more(folder):
    assert files_in(folder) == {
        "README.md", "LICENSE", "requirements.txt", "pyproject.toml", "app.py", ".gitattributes", "vqaudio/__init__.py",
        "vqaudio/ui/page.css", "vqaudio/ui/codemap/main.js", "vqaudio/report/report.typ", "weights/a/config.json",
        "weights/a/README.md", "weights/a/model.safetensors", "weights/judge/config.json", "assets/README.md", "assets/app.png",
        "docs/README.md", "docs/page.html", "notebooks/01.ipynb",
    }  # fmt: skip


def test_the_real_folder_is_ready_for_the_hub(tmp_path):
    files = space.write(tmp_path / "space")
    for hardware in (None, "cpu-basic", "zero-a10g"):
        space.check(tmp_path / "space", hardware)
    tracked = subprocess.run(["git", "ls-files", *space.FOLDERS], cwd=ROOT, capture_output=True, text=True, check=True)
    left_out = {Path(line) for line in tracked.stdout.splitlines()} - set(files)
    assert left_out <= {Path("notebooks/conftest.py")}, "everything in these folders that git knows is in the Space"


def test_every_large_file_is_kept_by_lfs(tmp_path):
    space.write(tmp_path / "space")
    kept = re.findall(r"^\*\.(\w+) filter=lfs diff=lfs merge=lfs -text$", (tmp_path / "space/.gitattributes").read_text(), re.M)
    binary = {path.suffix[1:] for path in (tmp_path / "space").rglob("*") if path.is_file() and b"\0" in path.read_bytes()[:8000]}
    assert {"safetensors", "png"} <= binary <= set(kept)


def test_a_clone_of_this_repository_needs_no_git_lfs():
    """With LFS rules here, git-lfs would count every weight of every clone as changed."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "README.md" in tracked
    assert not [name for name in tracked if Path(name).name == ".gitattributes" and "lfs" in (ROOT / name).read_text()]


def test_an_earlier_folder_is_replaced(folder):
    (folder / "vqaudio" / "stale.py").write_text("")
    space.write(folder)
    assert "vqaudio/stale.py" not in files_in(folder)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"has other files in it\. Choose another --folder"):
        space.write(tmp_path / "home")
    assert (tmp_path / "home" / "thesis.txt").read_text() == "years of work"


def test_a_package_without_its_clone_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(space, "ROOT", tmp_path)
    with pytest.raises(InputError, match=r"made from a clone of vqaudio: .* lacks README\.md"):
        space.write(tmp_path / "space")


# --- the checks ---------------------------------------------------------------------------------------------------------------


def test_a_good_folder_passes(folder):
    space.check(folder, "zero-a10g")


@pytest.mark.parametrize(
    "old, new, sentence",
    [
        ("license: mit\n", "", "lacks license"),
        ("title: vqaudio\n", "title:\n", "lacks title"),
        ("---\ntitle", "title", "lacks title, emoji"),
        ("title: vqaudio", "title: [", "lacks title, emoji"),
        ("colorTo: yellow", "colorTo: orange", "colorTo is orange; it can be red"),
        ("sdk: gradio", "sdk: docker", "sdk is docker"),
        ("6.31.0", "6.30.0", r"sdk is gradio 6\.30\.0, but the lock has gradio 6\.31\.0"),
        ("app_file: app.py", "app_file: main.py", r"main\.py, which is not there"),
        ("license: mit", f"license: mit\nshort_description: {'x' * 61}", "more than 60 characters"),
    ],
)
def test_front_matter_that_the_hub_would_refuse(folder, old, new, sentence):
    assert old in FRONT_MATTER
    (folder / "README.md").write_text(FRONT_MATTER.replace(old, new))
    with pytest.raises(InputError, match=sentence):
        space.check(folder)


def test_files_that_are_too_large(folder, monkeypatch):
    (folder / "notebooks" / "large.ipynb").write_bytes(b" " * 11_000_000)
    (folder / "weights" / "a" / "model.safetensors").write_bytes(b" " * 12_000_000)
    with pytest.raises(InputError, match=r"notebooks/large\.ipynb has 11 MB; at most 10 MB") as caught:
        space.check(folder)
    assert "safetensors" not in str(caught.value)
    monkeypatch.setattr(space, "MAX_TOTAL_MB", 20)
    with pytest.raises(InputError, match="it has 23 MB; a Space can hold 20 MB"):
        space.check(folder)


@pytest.mark.parametrize("missing", ["LICENSE", "assets/README.md"])
def test_a_licence_that_is_missing(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(InputError, match=f"{missing} is missing"):
        space.check(folder)


@pytest.mark.parametrize("card", ["# no front matter", "---\ntags: [a]\n---\n"])
def test_a_model_whose_card_names_no_licence(folder, card):
    (folder / "weights" / "a" / "README.md").write_text(card)
    with pytest.raises(InputError, match="the model card of a names no license"):
        space.check(folder)


def test_limits_of_zero_gpu_apply_only_there(folder):
    (folder / "requirements.txt").write_text("gradio==6.31.0\ntorch==2.14.1\n")
    (folder / "README.md").write_text(FRONT_MATTER.replace("3.12", "3.11"))
    space.check(folder, "cpu-basic")
    with pytest.raises(InputError, match=r"torch .*2\.13\.0; the lock has 2\.14\.1\. ZeroGPU takes Python 3\.10 and 3\.12"):
        space.check(folder, "zero-a10g")


# --- the command --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vqaudio", "me/", "/vq", "me/a/b", "me/a b", "../vq", "me/..", "me/-x"])
def test_a_name_that_no_space_can_have(command, name):
    code, _, err = command("space", name, "--dry-run")
    assert code == 2 and "is not the name of a Space. Use OWNER/NAME" in err


def test_a_dry_run_writes_the_folder_and_starts_the_app_from_it(command, tmp_path, project, monkeypatch):
    """The app must be imported from the folder, not from here."""
    (project / "vqaudio" / "__init__.py").write_text("import http.server\nserve = http.server.test")
    (project / "app.py").write_text(
        "import http.server, os, sys, vqaudio\nprint(os.path.dirname(vqaudio.__file__), os.environ.get('PYTHONPATH'))\n"
        "vqaudio.serve(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[4]), bind=sys.argv[2])"
    )
    monkeypatch.setattr(space, "ROOT", project)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    code, out, err = command("space", "me/vq", "--dry-run", "--folder", tmp_path / "dry")
    assert code == 0, err
    assert "19 files" in out and "The app started from there in" in out and "Nothing was uploaded" in out
    assert (tmp_path / "dry.log").read_text().splitlines()[0] == f"{tmp_path / 'dry' / 'vqaudio'} None"


def test_a_dry_run_of_an_app_that_fails(command, tmp_path, project, monkeypatch):
    (project / "app.py").write_text("raise SystemExit('no weights.')")
    monkeypatch.setattr(space, "ROOT", project)
    code, _, err = command("space", "me/vq", "--dry-run", "--folder", tmp_path / "dry")
    assert code == 2 and "did not start: no weights. Its output is in" in err and "Traceback" not in err


# --- the upload ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def hub():
    with hub_stand_in() as server:
        yield server


@pytest.fixture
def upload(hub, environment, folder):
    """`space.upload` in a subprocess, because the Hub's address is read at import."""

    def run(*arguments, token: str = "hf_stand_in") -> subprocess.CompletedProcess:
        script = (
            "import pathlib, sys\nfrom vqaudio import space\nfrom vqaudio.errors import InputError\n"
            "try: print(space.upload(pathlib.Path(sys.argv[1]), *(None if a == '-' else a for a in sys.argv[2:])))\n"
            "except InputError as error: sys.exit(str(error))\n"
        )
        settings = {
            "HF_ENDPOINT": hub.address, "HF_TOKEN": token, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1",
            "HF_HOME": str(folder.parent / "hf"), "NO_PROXY": "127.0.0.1",
        }  # fmt: skip
        command = [sys.executable, "-c", script, str(folder), *arguments]
        return subprocess.run(command, env=environment | settings, capture_output=True, text=True, timeout=300)

    return run


def test_a_space_is_created_and_gets_every_file(hub, upload, folder):
    done = upload("me/vq", "private", "zero-a10g")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{hub.address}/spaces/me/vq"
    assert set(hub.spaces) == {"me/vq"}
    settings = hub.settings["me/vq"]
    assert (settings["type"], settings["sdk"], settings["hardware"]) == ("space", "gradio", "zero-a10g")
    assert settings.get("visibility") == "private" or settings.get("private") is True
    sent = hub.spaces["me/vq"]
    assert set(sent) == files_in(folder)
    assert all(sent[name] == (folder / name).read_bytes() for name in sent)


def test_a_second_upload_updates_the_space_and_removes_deleted_files(hub, upload, folder):
    assert upload("me/vq").returncode == 0
    hub.spaces["me/vq"]["notes.md"] = b"somebody's own"
    (folder / "weights/judge/config.json").unlink()
    (folder / "app.py").write_text("print('newer')")
    done = upload("me/vq")
    assert done.returncode == 0, done.stderr
    sent = hub.spaces["me/vq"]
    assert "weights/judge/config.json" not in sent and sent["app.py"] == b"print('newer')" and "notes.md" in sent
    assert "hardware" not in hub.settings["me/vq"]


def test_a_space_with_another_app_is_left_alone(hub, upload):
    hub.spaces["me/vq"] = {"app.py": b"another", "README.md": b"mine"}
    done = upload("me/vq")
    assert done.returncode == 1 and "The Space me/vq has another app. Choose another name." in done.stderr
    assert hub.spaces["me/vq"] == {"app.py": b"another", "README.md": b"mine"}


@pytest.mark.parametrize("status, message", [(402, "Subscribe to PRO to use ZeroGPU"), (403, "You have no rights")])
def test_the_hub_refuses(hub, upload, status, message):
    hub.refusal = (status, message)
    done = upload("me/vq")
    assert done.returncode == 1 and "me/vq could not be pushed: " in done.stderr and "Traceback" not in done.stderr


def test_a_wrong_token_and_none(hub, upload):
    done = upload("me/vq", token="hf_wrong")
    assert done.returncode == 1 and "me/vq could not be pushed: " in done.stderr
    done = upload("me/vq", token="")
    assert done.returncode == 1 and "Not signed in to the Hub: run `hf auth login` first" in done.stderr
    assert not hub.spaces


def test_progress_is_shown(upload):
    assert re.search(r"\d+%\|", upload("me/vq").stderr)


