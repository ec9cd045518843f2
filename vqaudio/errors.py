"""The error that a person can fix.

Its message is a plain sentence that says what is wrong and what to do.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """An input (a file, a number, a name) that cannot be used.

    The message is shown unchanged: by the command line in one line with exit code 2, by the app as a toast.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a "not found" sentence, with the nearest known name if there is one."""
    matches = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; the nearest is {matches[0]!r}." if matches else "."
