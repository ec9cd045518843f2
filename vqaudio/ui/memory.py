"""How freed memory gets back to the system."""

import ctypes
import sys

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of glibc's malloc.h
LARGE_BYTES = 2**20


def return_what_is_freed() -> None:
    """On Linux, have the C library give tensors of a megabyte or more back as soon as they are freed.

    It would keep them, in an arena for each of many threads, and the app would grow with every clip although nothing holds on
    to them. This costs no measurable time.
    """
    if sys.platform == "linux":
        c_library = ctypes.CDLL(None)
        if hasattr(c_library, "mallopt"):  # musl has none
            c_library.mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
            c_library.mallopt(M_ARENA_MAX, 2)
