"""The benchmark of trainings runs, with tiny sizes; what it measures then is not looked at."""

import jax
import numpy as np
import pytest

from benchmarks import imports
from benchmarks.training import Both, main


def test_tool_and_bare_loop_train_the_same_batches(tmp_path):
    both = Both(tmp_path, 2, 6)
    found = []
    for who in (both.tool, both.bare):
        both.reset()
        found.append(jax.device_get(who().params))
    assert both.frames > 6 * 30
    assert jax.tree.structure(found[0]) == jax.tree.structure(found[1])
    start = jax.tree.leaves(both._start.params)
    assert not any(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(found[0]), start, strict=True))


@pytest.mark.slow
def test_the_benchmark_of_trainings_writes_its_page(tmp_path):
    page = tmp_path / "page.md"
    main(["--rounds", "1", "--size", "3", "--sequences", "12", "--epochs", "2", "--out", str(page)])
    text = page.read_text()
    assert "Throughput of the tool" in text and "over 2 epochs" in text


@pytest.mark.slow
def test_the_benchmark_of_imports_starts_each_kind_of_process():
    table = imports.table(imports.measure(1)).splitlines()
    assert len(table) == 2 + len(imports.STARTS) and "| jax |" in table[3] and table[3].endswith("1.00 |")
