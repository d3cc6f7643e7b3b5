"""Pages that a process maps for blocks that its threads take and free again and again."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, resource, sys, threading
from tenure.training.freed_memory import keep_freed_memory

done = keep_freed_memory() if sys.argv[1] == "keep" else False
c, size = ctypes.CDLL(None), 80 << 20
c.malloc.restype, c.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
c.free.argtypes, c.memset.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]


def steps(n):
    for _ in range(n):
        block = c.malloc(size)
        c.memset(block, 1, size)
        c.free(block)


def in_thread(n):
    thread = threading.Thread(target=steps, args=(n,))
    thread.start()
    thread.join()


in_thread(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
in_thread(4)
print(done, (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize() / size)
"""


def mapped(how, **environment):
    """Whether it was done, and how many times a block of 80 MiB was mapped, page by page, in four further steps."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_") and k != "GLIBC_TUNABLES"}
    run = [sys.executable, "-c", PROGRAM, how]
    found = subprocess.run(run, env=kept | environment, capture_output=True, text=True, check=True).stdout.split()
    return found[0] == "True", float(found[1])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_a_block_is_mapped_once():
    assert mapped("plain")[1] > 3
    done, times = mapped("keep")
    assert done and times < 0.1


def test_what_the_environment_says_counts():
    assert not mapped("keep", MALLOC_TRIM_THRESHOLD_="100000")[0]
    assert not mapped("keep", GLIBC_TUNABLES="glibc.malloc.mmap_threshold=100000")[0]
