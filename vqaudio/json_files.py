"""Read JSON files from untrusted sources."""

import json
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vqaudio.errors import InputError
from vqaudio.ranges import REASON, printable

MOST_BYTES = 2**25


@contextmanager
def expected_in(path: Path):
    """Turn errors about unexpected content of a file into an InputError."""
    try:
        yield
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise InputError(f"{path} is damaged: {type(error).__name__}, {printable(str(error))[:REASON]}.") from None


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: no such file, not JSON, larger than 32 MB, nested too deeply, or a number with too many digits.
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
