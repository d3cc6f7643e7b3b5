"""The network of a config: which of its parameters are embeddings."""

from tenure.network.model import Network
from tenure.training.engine.model import embeddings


def test_which_parameters_are_embeddings():
    labels = {"data": {"dim": 5, "sparse": True}, "classes": {"dim": 3, "sparse": True}}
    net = {
        "a": {"class": "linear", "activation": None, "n_out": 3, "from": "data"},
        "b": {"class": "linear", "activation": None, "n_out": 3, "from": "data", "L2": 0.1},
        "output": {"class": "softmax", "loss": "ce", "from": ["a", "b"]},
    }
    assert embeddings(Network(net, labels, behavior_version=0)) == {("a", "W"): ("data:data",)}
