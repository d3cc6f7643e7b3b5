"""Outputs of a layer for a data set, and their mean."""

import numpy as np
import pytest

from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tests.training.engine.small import config


def test_forward_and_priors(tmp_path):
    h5py = pytest.importorskip("h5py")
    tasks.run(config(tmp_path, num_epochs=1), Log(0))
    out = {"eval": {"class": "Task12AXDataset", "num_seqs": 3}, "output_file": str(tmp_path / "out.hdf")}
    tasks.run(config(tmp_path, task="forward", **out), Log(0))
    with h5py.File(tmp_path / "out.hdf") as file:
        np.testing.assert_allclose(file["inputs"][()].sum(-1), 1, rtol=1e-5)
        assert file["seqLengths"][:, 0].sum() == len(file["inputs"]) and file["seqLengths"].shape == (3, 2)
        assert sorted(file) == ["inputs", "labels", "seqLengths", "seqTags"]
        assert dict(file.attrs)["inputPattSize"] == dict(file.attrs)["numLabels"] == 2
    tasks.run(config(tmp_path, task="compute_priors", output_file=str(tmp_path / "prior")), Log(0))
    np.testing.assert_allclose(np.exp(np.loadtxt(tmp_path / "prior")).sum(), 1, rtol=1e-5)
