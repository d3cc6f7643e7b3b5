"""Outputs of a layer for a data set, and their mean."""

import numpy as np
import pytest

from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.errors import ConfigError
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


def test_a_layer_of_an_input_that_is_for_losses_only_is_told(tmp_path):
    inputs = {"data": {"dim": 9}, "more": {"dim": 9}, "classes": {"dim": 2, "sparse": True}}
    given = config(tmp_path, extern_data=inputs, num_inputs=None, num_outputs=None, allow_random_model_init=True)
    net = {"output": {"class": "softmax", "n_out": 2, "from": "data:more"}}
    data = {"class": "StaticDataset", "data": [{"data": np.zeros((3, 9), "f4"), "more": np.zeros((3, 9), "f4")}]}
    out = {"task": "forward", "eval": data, "output_file": str(tmp_path / "o.hdf")}
    with pytest.raises(
        ConfigError, match="(?s)the layer 'output' needs the input 'more', which is for losses.*available_"
    ):
        tasks.run({**given, **out, "network": net}, Log(0))
    assert not (tmp_path / "o.hdf").exists()
    inputs["more"]["available_for_inference"] = True
    tasks.run({**given, **out, "network": net, "max_seq_length": 1}, Log(0))  # a limit of training
    assert (tmp_path / "o.hdf").exists()
