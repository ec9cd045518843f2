"""Files and folders, written whole or not at all."""

import os
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from vqaudio.errors import InputError


def replace_file(path: Path, write) -> None:
    """Write a file whole or not at all.

    Calls `write(temporary path)` and renames the result to `path`.

    The temporary file, `.PID-RANDOM.tmp`, is in the same folder; its name is short, however long that of `path` is.

    Raises:
        OSError: naming `path`, if the disk is full or writing is not allowed.
    """
    temporary = path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_folder(path: Path) -> None:
    """Raise InputError if no file can be written to this path."""
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder; name a file in it.")
        path.exists()
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}. Choose another name.") from None
    if not path.parent.is_dir():
        raise InputError(f"{path} cannot be written: there is no folder {path.parent}.")


def numbered(path: Path, n: int) -> list[Path]:
    """Paths of n results: the path itself, or PATH-1, PATH-2, ... before the suffix."""
    return [path] if n == 1 else [path.with_stem(f"{path.stem}-{i}") for i in range(1, n + 1)]


def replace_folder(path: Path, write: Callable[[Path], None]) -> None:
    """Write a folder whole or not at all.

    Calls `write(temporary folder)` and renames the result to `path`.

    A kill between the two renames leaves only the former folder, beside `path`: `clear_stale` restores it.
    """
    temporary, former = _beside(path, "tmp"), _beside(path, "old")
    _restore(path)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    write(temporary)
    if path.exists():
        path.rename(former)
    temporary.rename(path)
    shutil.rmtree(former, ignore_errors=True)


def clear_stale(folder: Path, older_than_s: float = 0.0) -> None:
    """Remove temporary files and folders that killed processes left in `folder`.

    A folder whose replacement was interrupted is restored.

    Args:
        folder: searched with all subfolders.
        older_than_s: minimum age of files in seconds, for a folder that other processes may be writing to.
    """
    for former in folder.rglob(".*.old"):
        _restore(former.with_name(former.name.removeprefix(".").removesuffix(".old")))
    for stale in [*folder.rglob(".*.tmp")]:
        if stale.is_dir() and not stale.is_symlink():
            shutil.rmtree(stale, ignore_errors=True)
            continue
        with suppress(FileNotFoundError):  # another process may have renamed it
            if time.time() - stale.lstat().st_mtime >= older_than_s:
                stale.unlink()


def _restore(path: Path) -> None:
    """Restore the former folder if `replace_folder` was killed between its two renames."""
    former = _beside(path, "old")
    if former.is_dir() and path.exists():
        shutil.rmtree(former)
    elif former.is_dir():
        os.replace(former, path)


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f".{path.name}.{ending}")
