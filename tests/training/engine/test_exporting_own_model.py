"""Models of `get_model`, exported: the outputs that the task forward gives, without the targets."""

import numpy as np
import pytest

from tenure.training import load_exported
from tenure.training.config import load
from tenure.training.data.classes import dataset
from tenure.training.data.hdf import HDFDataset
from tenure.training.engine import tasks
from tenure.training.engine.exporting import export
from tenure.training.engine.learner import Learner
from tenure.training.engine.log import Log
from tenure.training.engine.settings import values
from tenure.training.errors import ConfigError
from tests.training.engine.test_own_model import HAIKU, HEAD, OWN

pytest.importorskip("flatbuffers")
MIXED = """
def get_model():
    def forward(batch):
        logits = tn.nn.Linear(2, name="output")(batch["data"]) + batch["classes"][..., None]
        return losses(logits, batch), {"output": (logits, batch["data_lengths"]), "mean": logits.mean(1)}
    return tn.transform(forward)
"""


def learner(folder, text, **more):
    (folder / "c.py").write_text(HEAD + text + f"model = '{folder}/net/model'\n")
    return Learner({**values(load(folder / "c.py")), "allow_random_model_init": True, **more}, Log(0))


def test_a_model_is_exported_without_the_inputs_of_its_loss(tmp_path):
    of = learner(tmp_path, OWN)
    said = export(of, tmp_path / "m")
    network = load_exported(tmp_path / "m")
    assert list(network.inputs) == ["data"] and network.outputs == ("output",), said
    data = dataset(of.config["dev"])
    items = [data.load(i, 1).data["data"] for i in range(3)]
    padded = np.zeros((3, max(map(len, items)), 9), np.float32)
    for row, item in zip(padded, items, strict=True):
        row[: len(item)] = item
    found = network({"data": (padded, np.array([len(item) for item in items]))})["output"].rows()
    of.commit(of.models.path(1), 0, epoch=1)
    out = {"task": "forward", "eval": of.config["dev"], "output_file": f"{tmp_path}/o.hdf"}
    tasks.run({**of.config, **out}, Log(0))
    right = HDFDataset([f"{tmp_path}/o.hdf"])
    for number, array in enumerate(found):
        np.testing.assert_allclose(array, right.load(right.find(f"seq-{number}"), 1).data["data"], atol=1e-6)


def test_streams_that_must_be_as_long_as_each_other_are_exported_so(tmp_path):
    export(learner(tmp_path, MIXED), tmp_path / "m")
    network = load_exported(tmp_path / "m")
    assert list(network.inputs) == ["data", "classes"] and network.outputs == ("output", "mean")
    found = network({"data": np.zeros((2, 6, 9), np.float32), "classes": np.ones((2, 6), np.int32)})
    assert found["output"].data.shape == (2, 6, 2) and found["mean"].lengths is None
    np.testing.assert_array_equal(found["output"].data[:, 1:], found["output"].data[:, :-1])


def test_a_model_without_outputs_says_how_to_give_some(tmp_path):
    with pytest.raises(ConfigError, match=r"gives a loss only\n  1. return \(loss, {'output': array}\)"):
        export(learner(tmp_path, HAIKU), tmp_path / "m")
    with pytest.raises(ConfigError, match="the model gives no output 'x'"):
        export(learner(tmp_path, OWN), tmp_path / "m", layers=["x"])
    with pytest.raises(ConfigError, match="has no search"):
        export(learner(tmp_path, OWN), tmp_path / "m", search=True)
    assert not (tmp_path / "m").exists()
