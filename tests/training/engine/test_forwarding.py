"""Outputs of a layer for a data set, and their mean."""

import numpy as np
import pytest

from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.errors import BatchError, ConfigError
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


FOUR = np.array([[0.0], [1.0], [2.0], [3.0]], "float32")
ONE = {"data": {"dim": 1}, "classes": {"dim": 2, "sparse": True}}


def test_priors_are_of_chunks_as_they_are_trained_on(tmp_path):
    """Chunks of 3 frames, 2 apart, are [0 1 2] and [2 3]: a frame in two of them counts twice, and sums begin anew."""
    sums = {"class": "cumsum", "from": "data"}
    both = {"class": "eval", "from": "sum", "eval": "tf.concat([source(0), source(0) * 0 + 1], -1)"}
    net = {"sum": sums, "output": {**both, "out_type": {"dim": 2}}}
    data = {"class": "StaticDataset", "data": [{"data": FOUR}, {"data": FOUR[:1] + 5}], "seq_ordering": "default"}
    given = config(tmp_path, task="compute_priors", network=net, extern_data=ONE, num_inputs=None, num_outputs=None)
    given |= {"allow_random_model_init": True, "train": data, "dev": None}
    for more, wanted in (
        ({}, (0 + 1 + 3 + 6 + 5) / 5),
        ({"chunking": "3:2"}, (0 + 1 + 3 + 2 + 5 + 5) / 6),
        ({"max_seq_length": 3}, 5),
    ):
        tasks.run({**given, **more, "output_file": str(tmp_path / "prior")}, Log(0))
        np.testing.assert_allclose(np.exp(np.loadtxt(tmp_path / "prior")), [wanted, 1], rtol=1e-5)


def searching(beam):
    """Labels that no target says: with `forward_use_search`, those that are likely, in as many steps as there are frames."""
    scores = {
        "class": "eval",
        "from": "data:source",
        "eval": "tf.stack([source(0)[..., 0], 1 - source(0)[..., 0]], -1)",
    }
    unit = {
        "scores": {**scores, "out_type": {"dim": 2}},
        "output": {"class": "choice", "target": "classes", "beam_size": beam, "from": "scores", "input_type": "prob"},
    }
    return {
        "output": {"class": "rec", "from": "data", "unit": unit, "target": "classes"},
        "decision": {"class": "decide", "from": "output", "is_output_layer": True},
    }


def test_forward_with_a_search_writes_what_it_finds(tmp_path):
    h5py = pytest.importorskip("h5py")
    frames = np.array([[0.9], [0.2], [0.6]], "float32")
    data = {"class": "StaticDataset", "data": [{"data": frames, "classes": np.array([1, 1, 1], "int32")}]}
    given = config(tmp_path, task="forward", extern_data=ONE, num_inputs=None, num_outputs=None, eval=data, dev=None)
    given |= {"allow_random_model_init": True, "forward_override_hdf_output": True, "output_file": str(tmp_path / "o")}
    for beam, layer in ((2, "decision"), (1, "output")):
        more = {"network": searching(beam), "forward_output_layer": layer, "forward_use_search": True}
        tasks.run({**given, **more}, Log(0))
        with h5py.File(tmp_path / "o") as file:
            assert file["inputs"][()].ravel().tolist() == [0, 1, 0]
    with pytest.raises(ConfigError, match="(?s)'output', which has 2 hypotheses for each sequence.*'decide'"):
        tasks.run({**given, "network": searching(2), "forward_use_search": True}, Log(0))


def test_priors_of_labels_are_how_often_they_occur(tmp_path):
    data = [{"data": np.eye(3, dtype="float32")[[0, 2, 0]]}, {"data": np.eye(3, dtype="float32")[[2, 0]]}]
    given = {
        "task": "compute_priors",
        "train": {"class": "StaticDataset", "data": data},
        "extern_data": {"data": {"dim": 3}},
        "network": {"output": {"class": "reduce", "mode": "argmax", "axis": "F", "from": "data"}},
        "output_file": str(tmp_path / "prior"),
        "allow_random_model_init": True,
        "model": str(tmp_path / "model"),
    }
    tasks.run(given, Log(0))
    assert np.allclose(np.exp(np.loadtxt(tmp_path / "prior")), [0.6, 0, 0.4])


def test_priors_of_no_sequence_are_an_error(tmp_path):
    tasks.run(config(tmp_path), Log(0))
    more = {
        "task": "compute_priors",
        "max_seq_length": 1,
        "recurrent_net": True,
        "output_file": str(tmp_path / "prior"),
    }
    with pytest.raises(BatchError, match="the data set 'train' has no batch in this epoch"):
        tasks.run({**config(tmp_path), **more}, Log(0))
    assert not (tmp_path / "prior").exists()
