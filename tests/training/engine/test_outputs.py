"""Outputs as arrays of single sequences."""

import numpy as np
import pytest

from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tests.training.engine.padded import config, run, sequences

h5py = pytest.importorskip("h5py")


def test_rows_that_fill_up_are_in_no_output(tmp_path):
    run(tmp_path / "run")
    for name, buckets in (("few", None), ("exact", "exact")):
        out = {"forward_data": sequences_of(7), "output_file": str(tmp_path / name), "buckets": buckets}
        tasks.run(config(tmp_path / "run", task="forward", **out), Log(0))
    with h5py.File(tmp_path / "few") as few, h5py.File(tmp_path / "exact") as exact:
        assert len(few["seqTags"]) == 7
        np.testing.assert_allclose(few["inputs"][()], exact["inputs"][()], rtol=1e-5, atol=1e-6)


def sequences_of(count):
    return {"class": "StaticDataset", "data": sequences(count, 2)}
