"""Fetching a file with a progress bar, going on where an earlier attempt broke off, and unpacking it with care.

What arrives is whole, or not there under its name.
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
        InputError: the address cannot be reached, or the connection broke off.
        OSError: the disk is full.
    """
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:
            replace_file(path, lambda temporary: _append(answer, temporary, 0, path.name))
    except BROKEN as error:
        raise InputError(f"{url} cannot be fetched: {_reason(error)}. Is the network there?") from None


def fetch_checked(url: str, path: Path, checksum: str, timeout_s: float = 30.0) -> None:
    """Download `url` to `path`; where an attempt breaks off, PATH.part stays, and the next one asks for the rest only.

    Args:
        checksum: of the whole file, SHA-256 (64 hex digits) or, where no better one is published, MD5 (32); it also tells that
            the pieces belong together.

    Raises:
        InputError: the address cannot be reached, the connection broke off, or the file is not the one with this checksum.
        OSError: the disk is full.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        _fetch_rest(url, part, timeout_s, path.name)
    except BROKEN as error:
        kept = part.stat().st_size if part.exists() else 0
        advice = f"{kept:,} bytes are here; the same command goes on from there." if kept else "Is the network there?"
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
    """Download a tar archive, unpack it with care and keep one folder of it as `target`; an archive that is there is not fetched
    again, and is deleted in the end.

    Args:
        limit, max_files, max_bytes: see `unpack`.
        wanted: from the folder with what was unpacked, the one to keep; None: the archive is another one.

    Returns:
        target, at once where it is there.

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
    """Take the wanted files, and nothing else, out of a tar archive into a folder that is not there yet.

    Args:
        limit: the most bytes that a file of this name may have; None where it is not wanted.
        max_files, max_bytes: of all files together.

    Raises:
        InputError: the archive is damaged, or holds what no honest one does (a path that leads outside, a link among the wanted
            files, files that are too large or too many).
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
        if error.code == 416:  # nothing lies behind what is here: the checksum will tell whether it is the file
            return
        raise
    with answer:
        continued = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        _append(answer, part, have if continued else 0, name)


def _append(answer, path: Path, have: int, name: str) -> None:
    """Write what comes behind the first `have` bytes."""
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
    except OSError as error:  # a full disk is no broken connection
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
