"""The app's memory: caches of bounded size, and giving freed memory back."""

import ctypes
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of glibc's malloc.h
LARGE_BYTES = 2**20


class ByteCache:
    """Values by key, each made once; the least recently used go first.

    Args:
        max_bytes: of all values together.
        size: the bytes of a value.
        at_least: this many values stay, however large they are.
    """

    def __init__(self, max_bytes: int, size: Callable[[Any], int], at_least: int = 1):
        self.max_bytes, self._size, self._at_least = max_bytes, size, at_least
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()
        self._bytes = 0

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The value of a key; made, once for all threads that ask, if it is not cached."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        try:
            with making:
                value = self.peek(key)
                if value is None:
                    value = make()
                    self._add(key, value)
                return value
        finally:
            with self._lock:
                self._making.pop(key, None)

    def peek(self, key: Hashable) -> Any | None:
        """The value of a key, now the most recently used; None if it is not cached."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def clear(self) -> None:
        with self._lock:
            self._values.clear()
            self._bytes = 0

    def _add(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._values[key] = value
            self._bytes += self._size(value)
            while self._bytes > self.max_bytes and len(self._values) > self._at_least:
                self._bytes -= self._size(self._values.popitem(last=False)[1])


def return_what_is_freed() -> None:
    """On Linux, have the C library return large tensors as soon as they are freed.

    It would keep them, in an arena for each of many threads, and the app would grow with every clip although nothing holds on
    to them. This costs no measurable time.
    """
    if sys.platform == "linux":
        c_library = ctypes.CDLL(None)
        if hasattr(c_library, "mallopt"):  # musl has none
            c_library.mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
            c_library.mallopt(M_ARENA_MAX, 2)
