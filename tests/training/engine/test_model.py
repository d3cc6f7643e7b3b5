"""The network of a config: which of its parameters are embeddings."""

import numpy as np

from tenure.network.model import Network
from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.engine.model import embeddings, read_at_places
from tests.training.engine.small import config, values


def test_which_parameters_are_embeddings():
    labels = {"data": {"dim": 5, "sparse": True}, "classes": {"dim": 3, "sparse": True}}
    net = {
        "a": {"class": "linear", "activation": None, "n_out": 3, "from": "data"},
        "b": {"class": "linear", "activation": None, "n_out": 3, "from": "data", "L2": 0.1},
        "output": {"class": "softmax", "loss": "ce", "from": ["a", "b"]},
    }
    assert embeddings(Network(net, labels, behavior_version=0)) == {("a", "W"): ("data:data",)}


def test_which_gradients_are_clipped_place_by_place():
    embed = {"class": "linear", "activation": None, "with_bias": False, "n_out": 3}
    unit = {
        "output": {"class": "choice", "target": "classes", "beam_size": 1, "from": "prob", "initial_output": 0},
        "before": {**embed, "from": "prev:output"},
        "embed": {**embed, "from": "output", "initial_output": 0},
        "prob": {"class": "softmax", "target": "classes", "loss": "ce", "from": ["prev:embed", "before"]},
    }
    net = {
        "a": {**embed, "from": "data"},
        "small": {**embed, "from": "data", "L2": 0.1},
        "lent": {**embed, "from": "data"},
        "user": {**embed, "from": "data", "reuse_params": "lent"},
        "dense": {**embed, "from": ["a", "small", "user"], "is_output_layer": True},
        "output": {"class": "rec", "from": "dense", "unit": unit, "target": "classes"},
    }
    labels = {"data": {"dim": 5, "sparse": True}, "classes": {"dim": 5, "sparse": True}}
    network = Network(net, labels, behavior_version=0)
    network.plan(train=True)
    assert read_at_places(network) == {("a", "W"), ("output/rec/before", "W"), ("output/rec/embed", "W")}


def test_a_training_clips_an_embedding_place_by_place(tmp_path):
    """The gradients of two equal labels are limited each, and not their sum."""
    net = {
        "output": {
            "class": "linear",
            "activation": None,
            "with_bias": False,
            "n_out": 1,
            "loss": "as_is",
            "from": "data",
        }
    }
    net["output"]["forward_weights_init"] = 0
    data = [{"data": np.array([0, 0, 1], "int32")}]
    given = config(tmp_path, network=net, train={"class": "StaticDataset", "data": data}, dev=None, num_epochs=1)
    given |= {"extern_data": {"data": {"dim": 2, "sparse": True}}, "num_inputs": None, "num_outputs": None}
    given |= {"optimizer": {"class": "sgd"}, "learning_rate": 1.0, "gradient_clip": 0.75}
    tasks.run(given, Log(0))
    np.testing.assert_allclose(values(tmp_path, 1)["output/W"][:, 0], [-1.5, -0.75])
