"""The one kind of error that is a person's to mend: its message is a plain sentence that says what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Something that was given (a file, a number, a name) cannot be used.

    The message is shown as it is: by the command line in one line with exit code 2, by the app as a toast.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence that says a name is not there: the known one that comes nearest, if any does."""
    found = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; the nearest is {found[0]!r}." if found else "."
