"""What all tests share: XLA compiles quickly rather than well, as tests run each program once or twice."""

import os

QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"

if "xla_backend_optimization_level" not in os.environ.get("XLA_FLAGS", ""):  # before JAX starts its backend
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {QUICK}".strip()

os.environ["COLUMNS"] = "120"  # tables that fit the terminal are the same in every terminal
