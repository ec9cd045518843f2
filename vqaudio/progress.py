"""A progress bar for slow operations.

It appears after a second, on a terminal only, and is removed at the end.
"""

from tqdm import tqdm


def bar(what: str, total: int | None, unit: str) -> tqdm:
    """A context manager; call its `update(n)` for every n units done.

    A total of None is unknown.
    """
    return tqdm(total=total, desc=what, unit=unit, unit_scale=True, delay=1.0, leave=False, disable=None)
