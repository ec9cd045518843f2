"""The error that a person can fix.

Its message is a plain sentence that says what is wrong and what to do.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Something that was given (a file, a number, a name) cannot be used.

    The message is shown as it is: by the command line in one line with exit code 2, by the app as a toast.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a "not found" sentence, with the nearest known name if there is one."""
    found = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; the nearest is {found[0]!r}." if found else "."
