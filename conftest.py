"""What all tests share: XLA compiles quickly rather than well, as tests run each program once or twice, and compiles it once."""

import atexit
import gc
import os
import shutil
import tempfile
import threading
from importlib.metadata import version
from pathlib import Path

QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
if version("jaxlib").startswith("0.10."):  # XLA refuses flags that it does not know; together they halve the time again
    QUICK += " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"

if "xla_backend_optimization_level" not in os.environ.get("XLA_FLAGS", ""):  # before JAX starts its backend
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {QUICK}".strip()

# A program that several tests need, or the processes that they start, is compiled once. The folder is of this run alone.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    compiled = tempfile.mkdtemp(prefix="tenure-tests-")
    atexit.register(shutil.rmtree, compiled, ignore_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = os.environ["TENURE_TESTS_COMPILED"] = compiled
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.05"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
elif os.environ["JAX_COMPILATION_CACHE_DIR"] == os.environ.get("TENURE_TESTS_COMPILED"):
    # Each of pytest's workers has a folder of its own, as JAX writes entries in place, where another one could read half of them.
    os.environ["JAX_COMPILATION_CACHE_DIR"] += "/" + os.environ.get("PYTEST_XDIST_WORKER", "")

os.environ["COLUMNS"] = "120"  # tables that fit the terminal are the same in every terminal

TESTS_BETWEEN, MOST_MAPPINGS = 20, 20_000
_tests_run = 0
PROGRAMS_IN_A_CONTEXT = 200


def pytest_collection_finish():
    """Programs share MLIR's contexts. JAX makes one for each program and loads all dialects into it, which for the many small programs
    of tests takes as long as the rest of their lowering."""
    from jax._src.interpreters import mlir

    make, own = getattr(mlir, "make_ir_context", None), threading.local()
    if make is None:  # JAX's own matter, which may change
        return

    def shared():
        own.programs = getattr(own, "programs", 0) + 1
        if own.programs % PROGRAMS_IN_A_CONTEXT == 1:  # a context keeps the constants of its programs
            own.context = make()
        return own.context

    mlir.make_ir_context = shared


def pytest_runtest_teardown():
    """Forgets compiled programs before there are too many: each has mappings of memory, of which Linux allows a process
    65,530, and XLA crashes beyond that."""
    global _tests_run
    _tests_run += 1
    if _tests_run % TESTS_BETWEEN == 0 and _mappings() > MOST_MAPPINGS:
        import jax

        jax.clear_caches()
        gc.collect()


def _mappings() -> int:
    maps = Path("/proc/self/maps")
    return maps.read_bytes().count(b"\n") if maps.exists() else 0
