"""Makes `examples`, which is not installed, importable; and a tiny corpus."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))


@pytest.fixture
def pairs_file():
    """199 real pairs of 29 components; see `data/README.md`."""
    return Path(__file__).parent / "data" / "pairs.tsv"
