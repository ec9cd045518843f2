"""A progress bar for what may take long: it appears after a second, on a terminal only, and leaves nothing behind."""

from tqdm import tqdm


def bar(what: str, total: int | None, unit: str) -> tqdm:
    """A context manager; call its `update(n)` for every n units done. `total` None: how many there will be is not known."""
    return tqdm(total=total, desc=what, unit=unit, unit_scale=True, delay=1.0, leave=False, disable=None)
