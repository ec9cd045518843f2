"""Starting the app: options, imports to avoid, and failures."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from vqaudio import serving
from vqaudio.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"codecarbon", "librosa", "matplotlib", "pyarrow.parquet", "ray", "scipy", "sklearn", "tensorboard", "tyro", "umap"}


@pytest.fixture(scope="module")
def imported(environment) -> set[str]:
    """The modules that are loaded once the app is imported and built."""
    script = "import app, sys; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines())


def test_the_app_needs_nothing_that_only_training_needs(imported):
    assert "vqaudio.ui.build" in imported and "torch" in imported
    unwanted = ("vqaudio.training", "vqaudio.evaluation.card", "vqaudio.report", "vqaudio.experiments", "vqaudio.plots")
    assert not [name for name in imported if name.startswith(unwanted)]


def test_the_app_loads_no_library_that_its_page_does_not_need(imported):
    assert not HEAVY & imported


def test_importing_the_app_writes_no_stub_files(environment, tmp_path):
    """Gradio writes a .pyi beside each of its components, unless it is kept from doing so."""
    script = (
        "import pathlib, sys\n"
        "read, stubs = pathlib.Path.read_text, []\n"
        "def noted(path, *args, **kwargs):\n"
        "    stubs.append(path) if path.suffix == '.pyi' else None\n"
        "    return read(path, *args, **kwargs)\n"
        "pathlib.Path.read_text = noted\n"
        "import vqaudio.ui\n"
        "sys.exit(len(stubs))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, timeout=300)
    assert done.returncode == 0, f"{done.returncode} stub files were read"


def test_help_avoids_slow_imports(environment):
    script = "import sys; sys.argv = ['app.py', '--help']; import runpy\ntry: runpy.run_path('app.py', run_name='__main__')\n"
    script += "finally: print('torch' in sys.modules, 'gradio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.endswith("False False\n")
    for option in ("--host", "--port", "--share", "--root-path", "--mcp"):
        assert option in done.stdout


def test_without_options_the_environment_decides(monkeypatch):
    monkeypatch.delenv("GRADIO_MCP_SERVER", raising=False)
    assert set(serving.options([]).values()) == {None}


def test_the_options_reach_gradio():
    assert serving.options(["--host", "0.0.0.0", "--port", "8000", "--share", "--root-path", "/vq"]) == {
        "server_name": "0.0.0.0", "server_port": 8000, "share": True, "root_path": "/vq", "mcp_server": None,
    }  # fmt: skip


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x", "7.5", "٣"])
def test_an_invalid_port_is_refused(port, capsys):
    with pytest.raises(SystemExit) as caught:
        serving.options(["--port", port])
    assert caught.value.code == 2 and "is not a port: choose 1 to 65535" in capsys.readouterr().err


@pytest.mark.parametrize("asked", [["--mcp"], "1", "true", "True"])
def test_mcp_without_its_package_says_what_to_install(asked, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("GRADIO_MCP_SERVER", asked if isinstance(asked, str) else "")
    with pytest.raises(SystemExit) as caught:
        serving.options(asked if isinstance(asked, list) else [])
    assert caught.value.code == 2 and "pip install 'gradio[mcp]'" in capsys.readouterr().err


@pytest.mark.parametrize("asked", [["--mcp"], "1", "true"])
def test_mcp_is_asked_for_by_option_or_environment(asked, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv("GRADIO_MCP_SERVER", asked if isinstance(asked, str) else "")
    assert serving.options(asked if isinstance(asked, list) else [])["mcp_server"] is True


def test_a_port_that_is_taken_ends_with_one_sentence(capsys):
    class Taken:
        def launch(self, **settings):
            raise OSError("Cannot find empty port in range: 7860-7860.\nMore lines")

    with pytest.raises(SystemExit) as caught:
        serving.serve(Taken())
    assert caught.value.code == 2
    assert capsys.readouterr().err == "app.py: Cannot find empty port in range: 7860-7860. Choose another --port or --host.\n"


def test_an_app_that_fails_to_start_is_named_with_its_last_line(tmp_path):
    (tmp_path / "app.py").write_text("raise SystemExit('the weights are missing')")
    app = serving.running(tmp_path, tmp_path / "log.txt")
    with pytest.raises(InputError, match=r"did not start: the weights are missing Its output is in"), app:
        pass


def test_an_app_that_never_answers_is_ended_too(tmp_path):
    (tmp_path / "app.py").write_text("import time\ntime.sleep(100)")
    app = serving.running(tmp_path, tmp_path / "log.txt", within_s=1)
    with pytest.raises(InputError, match=r"did not answer within 1 s"), app:
        pass


def test_an_app_that_answers_is_ended_afterwards(tmp_path):
    (tmp_path / "app.py").write_text(
        "import http.server, sys\n"
        "http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[4]), bind=sys.argv[2])"
    )
    with serving.running(tmp_path, tmp_path / "log.txt") as (address, process, seconds):
        assert process.poll() is None and seconds > 0 and address.startswith("http://127.0.0.1:")
    assert process.poll() is not None
