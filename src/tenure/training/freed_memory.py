"""What a step of training frees stays with the process, for the next step."""

from __future__ import annotations

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of malloc.h
# The first may be refused: before its version 2.35, glibc takes no more than 32 MiB.
_OPTIONS = ((_M_MMAP_THRESHOLD, 1 << 30), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_ARENA_MAX, 1))
_TOLD = ("arena_max", "mmap_threshold", "mmap_max", "trim_threshold")


def keep_freed_memory() -> bool:
    """Has the C library keep memory that is freed, instead of giving it back to the system; on Linux with glibc.

    On CPUs XLA takes the working memory of each step from the C library, and frees it after the step. Blocks of that size
    are by default mapped anew each time, which the system fills with zeros page by page: up to a third of a step's
    processor time. Call this before JAX is used, as JAX's threads would have heaps of their own, which cannot grow to such
    sizes. The process then holds on to the most that it ever needed, except for blocks of a gigabyte and more. Where the
    environment tells the C library otherwise (MALLOC_TRIM_THRESHOLD_ and the like, GLIBC_TUNABLES), that counts.

    Returns:
      Whether it was done.

    Source: mallopt(3), https://man7.org/linux/man-pages/man3/mallopt.3.html.
    """
    told = os.environ.get("GLIBC_TUNABLES", "")
    if any(f"MALLOC_{name.upper()}_" in os.environ or f"glibc.malloc.{name}=" in told for name in _TOLD):
        return False
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return all(library.mallopt(option, value) for option, value in _OPTIONS)
