"""Outputs of a layer for a data set, and their mean."""

import numpy as np
import pytest

from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.errors import ConfigError
from tests.training.engine.small import config
from tests.training.engine.told import DATA


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


def test_forward_has_a_file_and_the_order_of_evaluation_where_nothing_else_is_said(trained, tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    monkeypatch.chdir(tmp_path)
    data = {**DATA, "seq_ordering": "reverse"}
    tasks.run(config(trained, task="forward", mine=data, eval="config:mine"), Log(0))
    with h5py.File("dump-fwd-epoch-1.hdf") as file:
        assert file["seqLengths"][:, 0].tolist() == [3, 4, 5]  # by length, whatever the data set says
    tasks.run(config(trained, task="forward", eval=data, output_file="other.hdf"), Log(0))
    with h5py.File("other.hdf") as file:
        assert file["seqLengths"][:, 0].tolist() == [4, 5, 3]
    with pytest.raises(ConfigError, match="'dump-fwd-epoch-1.hdf' is there already"):
        tasks.run(config(trained, task="forward", eval=data), Log(0))


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


def test_whole_numbers_that_are_no_labels_are_written_as_they_are(tmp_path):
    h5py = pytest.importorskip("h5py")
    less = {"class": "eval", "from": "best", "eval": "source(0) - 3"}
    less["out_type"] = {"sparse": False, "dim": None, "dtype": "int32", "shape": (None,)}
    net = {
        "output": {"class": "softmax", "loss": "ce", "from": "data"},
        "best": {"class": "reduce", "mode": "argmax", "axis": "f", "from": "output"},
        "less": less,
        "length": {"class": "length", "from": "data"},
        "dump": {"class": "hdf_dump", "from": "data", "extra": {"less": "less"}, "is_output_layer": True},
    }
    net["dump"]["filename"] = str(tmp_path / "dumped.hdf")
    data = {"class": "StaticDataset", "data": [{"data": np.full((n, 9), n, "f4")} for n in (5, 3)]}
    given = config(tmp_path, task="forward", network=net, eval=data, allow_random_model_init=True)
    for layer, count in (("less", 8), ("length", 2), ("best", 8)):
        found = tmp_path / f"{layer}.hdf"
        tasks.run({**given, "forward_output_layer": layer, "output_file": str(found)}, Log(0))
        (tmp_path / "dumped.hdf").rename(tmp_path / "dump")
        with h5py.File(found) as file:
            numbers = file["inputs"][()]
            assert numbers.dtype == "int32" and numbers.shape == (count,)
            assert layer != "less" or (set(numbers) <= {-3, -2} and len(file["labels"]) == 0)
            assert layer != "length" or sorted(numbers) == [3, 5]
            assert file.attrs["inputPattSize"] == (2 if layer == "best" else 1)
    with h5py.File(tmp_path / "dump") as file:
        assert set(file["targets/data/less"][()]) <= {-3, -2}
