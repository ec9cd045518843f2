"""Fetching a file with a progress bar; what arrives is whole or not there."""

import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

from vqaudio.errors import InputError
from vqaudio.hub import replace_file

CHUNK = 1 << 20


def fetch(url: str, path: Path, timeout_s: float = 30.0) -> None:
    """Download `url` to `path`.

    Raises:
        InputError: the address cannot be reached, or the connection broke off.
    """
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:
            size = int(answer.headers.get("Content-Length") or 0)
            replace_file(path, lambda temporary: _copy(answer, temporary, size, path.name))
    except (urllib.error.URLError, TimeoutError, ConnectionError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise InputError(f"{url} cannot be fetched: {reason}. Is the network there?") from None


def _copy(answer, path: Path, size: int, name: str) -> None:
    with path.open("wb") as file, tqdm(total=size or None, unit="B", unit_scale=True, desc=name) as bar:
        while chunk := answer.read(CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
        if size and file.tell() != size:
            raise ConnectionError(f"only {file.tell()} of {size} bytes came")
