"""Download files, resume broken downloads, unpack archives safely.

A file appears under its final name only once it is complete.
"""

import hashlib
import http.client
import lzma
import os
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from vqaudio.errors import InputError
from vqaudio.files import replace_file
from vqaudio.progress import bar

CHUNK = 1 << 20
BROKEN = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ValueError)


def fetch(url: str, path: Path, timeout_s: float = 30.0) -> None:
    """Download `url` to `path`.

    Raises:
        InputError: the address cannot be reached, or the connection broke.
        OSError: the disk is full.
    """
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:
            replace_file(path, lambda temporary: _append(answer, temporary, 0, path.name))
    except BROKEN as error:
        raise InputError(f"{url} cannot be fetched: {_reason(error)}. Is the network there?") from None


def fetch_checked(url: str, path: Path, checksum: str, timeout_s: float = 30.0) -> None:
    """Download `url` to `path` and verify it; resume from PATH.part after a break.

    Args:
        checksum: of the whole file, SHA-256 (64 hex digits) or, where no better one is published, MD5 (32). It also detects
            pieces that do not belong together.

    Raises:
        InputError: the address cannot be reached, the connection broke, or the checksum differs.
        OSError: the disk is full.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        _fetch_rest(url, part, timeout_s, path.name)
    except BROKEN as error:
        kept = part.stat().st_size if part.exists() else 0
        advice = f"{kept:,} bytes are here; the same command resumes the download." if kept else "Is the network there?"
        raise InputError(f"{url} cannot be fetched: {_reason(error)}. {advice}") from None
    kind = "md5" if len(checksum) == 32 else "sha256"
    found = _digest(part, kind)
    if found != checksum:
        part.unlink()
        name = {"md5": "MD5", "sha256": "SHA-256"}[kind]
        raise InputError(
            f"What {url} gave is not the file that this project knows (its {name} is {found[:12]}..., not {checksum[:12]}...); "
            "nothing was kept."
        )
    os.replace(part, path)


def fetch_unpacked(
    url: str, archive: Path, checksum: str, limit: Callable[[PurePosixPath], int | None], max_files: int, max_bytes: int,
    wanted: Callable[[Path], Path | None], target: Path,
) -> Path:
    """Download and unpack a tar archive, and keep one of its folders as `target`.

    A downloaded archive is not fetched again; it is deleted in the end.

    Args:
        limit, max_files, max_bytes: see `unpack`.
        wanted: maps the folder of unpacked files to the one to keep; None if it is another archive.

    Returns:
        target; at once if it already exists.

    Raises:
        InputError, OSError: as `fetch_checked` and `unpack`; or the archive holds no such folder.
    """
    if target.is_dir():
        return target
    archive.parent.mkdir(parents=True, exist_ok=True)
    if not archive.exists():
        fetch_checked(url, archive, checksum)
    with tempfile.TemporaryDirectory(dir=archive.parent) as temporary:
        unpacked = Path(temporary) / "unpacked"
        unpack(archive, unpacked, limit, max_files, max_bytes)
        found = wanted(unpacked)
        if found is None:
            raise InputError(f"{archive} does not hold what {target.name} is made of.")
        found.rename(target)
    archive.unlink()
    return target


def unpack(archive: Path, folder: Path, limit: Callable[[PurePosixPath], int | None], max_files: int, max_bytes: int) -> None:
    """Extract the wanted files of a tar archive into a new folder.

    Args:
        limit: maps a file's name to the most bytes that it may have; None for files to leave out.
        max_files, max_bytes: limits over all files.

    Raises:
        InputError: the archive is damaged, or unsafe (a path that leads outside, a link among the wanted files, files that
            are too large or too many).
        OSError: the disk is full.
    """
    folder.mkdir(parents=True)
    count = total = 0
    hostile = f"{archive.name} is not to be trusted: "
    try:
        with tarfile.open(archive) as tar, bar("unpacking", None, " files") as progress:
            for member in tar:
                name = PurePosixPath(member.name)
                if name.is_absolute() or ".." in name.parts:
                    raise InputError(f"{hostile}it holds {member.name!r}, which leads outside its folder.")
                most = limit(name)
                if most is None or member.isdir():
                    continue
                if not member.isreg():
                    raise InputError(f"{hostile}{member.name!r} is a link or a device, and no file.")
                count, total = count + 1, total + member.size
                if member.size > most or count > max_files or total > max_bytes:
                    raise InputError(f"{hostile}with {member.name!r} it unpacks to more than it should.")
                _write(tar.extractfile(member).read(), folder / name)
                progress.update()
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"The archive {archive.name} is damaged: {error}") from None


def _fetch_rest(url: str, part: Path, timeout_s: float, name: str) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the server has no more bytes: the checksum decides whether the file is complete
            return
        raise
    with answer:
        continued = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        _append(answer, part, have if continued else 0, name)


def _append(answer, path: Path, have: int, name: str) -> None:
    """Write the bytes after the first `have`."""
    size = have + int(answer.headers.get("Content-Length") or 0)
    with path.open("r+b" if have else "wb") as file:
        file.seek(have)
        with tqdm(total=size if size > have else None, initial=have, unit="B", unit_scale=True, desc=name) as progress:
            while chunk := answer.read(CHUNK):
                _checked_write(file, chunk, path)
                progress.update(len(chunk))
        if size > have and file.tell() != size:
            raise ConnectionError(f"only {file.tell():,} of {size:,} bytes came")


def _checked_write(file, chunk: bytes, path: Path) -> None:
    try:
        file.write(chunk)
    except OSError as error:  # a full disk is not a network error
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write(data: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        _checked_write(file, data, path)


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error or type(error).__name__).rstrip(".")
