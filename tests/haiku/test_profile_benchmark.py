"""The bars of `docs/benchmarks-haiku.md` that are about tracing."""

import re
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_tracing_byol_takes_less_than_dm_haiku():
    """BYOL's networks with a ResNet-50, on images of 32 × 32: traced again, and for the first time."""
    command = [sys.executable, "-m", "benchmarks.haiku_profile", "--traces", "--rounds", "3", "BYOL, ResNet-50"]
    run = subprocess.run(command, capture_output=True, text=True)
    init, first, apply = map(
        float, re.search(r"BYOL, ResNet-50 \|  \| ([\d.]+) \| ([\d.]+) \| ([\d.]+)", run.stdout).groups()
    )
    assert max(init, first, apply) <= 0.9, run.stdout
