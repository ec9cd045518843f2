"""Writing files: whole or not at all."""

import os
import secrets
from pathlib import Path

from vqaudio.errors import InputError


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
