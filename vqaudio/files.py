"""Files: written whole or not at all; JSON that anybody may have written, read with care."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

from vqaudio.errors import InputError

MOST_BYTES = 2**25


def replace_file(path: Path, write) -> None:
    """Call `write(temporary path)` and put the result in place of `path` at once, so that no half-written file is ever seen.

    The temporary file, `.PID-RANDOM.tmp`, is in the same folder; its name is short, however long that of `path` is.

    Raises:
        OSError: about `path`, where the disk is full or writing is not allowed.
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
    """InputError if no file can be written here because of what is or is not there."""
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder; name a file in it.")
        path.exists()
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}. Choose another name.") from None
    if not path.parent.is_dir():
        raise InputError(f"{path} cannot be written: there is no folder {path.parent}.")


def numbered(path: Path, n: int) -> list[Path]:
    """Where n results go: to the path itself, or to PATH-1, PATH-2 and so on, before the suffix."""
    return [path] if n == 1 else [path.with_stem(f"{path.stem}-{i}") for i in range(1, n + 1)]


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        InputError: no such file, or it is not JSON, larger than 32 MB, nested too deeply, or has a number of too many digits.
    """
    try:
        if not path.is_file():
            raise InputError(f"There is no file {path}.")
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path} is larger than {MOST_BYTES // 2**20} MB.")
        return json.loads(path.read_text())
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):  # not JSON, not UTF-8, or a number of more than 4,300 digits
        raise InputError(f"{path} is not JSON.") from None
