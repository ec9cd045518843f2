"""Start the app: the options of `python app.py`, and the app as a subprocess.

It has no slow imports.
"""

import argparse
import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vqaudio.errors import InputError

MCP_MISSING = "the MCP server needs the package mcp, which is not installed: pip install 'gradio[mcp]'."


def options(argv: list[str] | None = None) -> dict:
    """Parse the command line into arguments of Gradio's `launch`.

    None leaves the choice to the environment.

    Exits with code 2 and one sentence for an option that cannot be used.
    """
    parser = argparse.ArgumentParser("app.py", description="Serve the app until Ctrl-C.")
    parser.add_argument("--host", help="address to listen on; 0.0.0.0 for all (GRADIO_SERVER_NAME; default: 127.0.0.1)")
    parser.add_argument("--port", type=_port, help="port to listen on (GRADIO_SERVER_PORT; default: from 7860, the first free)")
    parser.add_argument("--share", action="store_true", help="also open a public gradio.live address for a week (GRADIO_SHARE)")
    parser.add_argument("--root-path", help="path under which a proxy serves the app, such as /vqaudio (GRADIO_ROOT_PATH)")
    parser.add_argument("--mcp", action="store_true", help="also serve the endpoints as MCP tools (GRADIO_MCP_SERVER=1)")
    chosen = parser.parse_args(argv)
    mcp = chosen.mcp or os.environ.get("GRADIO_MCP_SERVER", "").lower() in ("1", "true", "yes")
    if mcp and importlib.util.find_spec("mcp") is None:
        parser.exit(2, f"app.py: {MCP_MISSING}\n")
    return {
        "server_name": chosen.host, "server_port": chosen.port, "share": chosen.share or None, "root_path": chosen.root_path,
        "mcp_server": mcp or None,
    }


def serve(demo, **settings) -> None:
    """Launch the app.

    A port or an address that cannot be used ends it with one sentence and code 2.
    """
    try:
        demo.launch(**settings)
    except OSError as error:
        print(f"app.py: {str(error).splitlines()[0]} Choose another --port or --host.", file=sys.stderr)
        sys.exit(2)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: choose 1 to 65535")
    return int(text)


@contextmanager
def running(folder: Path, log: Path, *arguments: str, environment: dict | None = None, within_s: float = 600) -> Iterator[tuple]:
    """Run a folder's app.py in a subprocess on a free port.

    Yields (address, process, seconds until its page answered).

    Args:
        folder: with app.py.
        log: file for the output of the app.
        arguments: options of app.py.
        environment: of the process; None for this one's.
        within_s: time limit in seconds.

    Raises:
        InputError: the app ended, or did not answer in time.
    """
    port = free_port()
    command = [sys.executable, "-u", "app.py", "--host", "127.0.0.1", "--port", str(port), *arguments]
    settings = {"GRADIO_ANALYTICS_ENABLED": "False", "NO_PROXY": "127.0.0.1"}
    started, address = time.perf_counter(), f"http://127.0.0.1:{port}"
    with log.open("w") as out:
        environment = {**(os.environ if environment is None else environment), **settings}
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out)
        try:
            while not _answers(address):
                if process.poll() is not None:
                    last = next(reversed(log.read_text().strip().splitlines()), "it printed nothing.")
                    raise InputError(f"The app in {folder} did not start: {last.strip()} Its output is in {log}.")
                if time.perf_counter() - started > within_s:
                    raise InputError(f"The app in {folder} did not answer within {within_s:g} s. Its output is in {log}.")
                time.sleep(0.05)
            yield address, process, time.perf_counter() - started
        finally:
            process.terminate()
            process.wait(20)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=60) as page:
            return page.status == 200
    except (urllib.error.URLError, OSError):
        return False
