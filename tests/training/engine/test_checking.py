"""What of a config is looked at before a training."""

from tenure.training.config.config import Config
from tenure.training.config.loading import NAME
from tenure.training.engine.checking import findings

PRETRAINING = """
from tenure.network import feature_dim
def stage(i, net):
    layers = min(i // 10, 2)
    scale = 0.1 * (i + 1)
    made = {f"h{n}": {"class": "linear", "out_dim": feature_dim(3, f"h{n}"), "activation": lambda x: x * scale, "dropout": scale / 10, "from": f"h{n - 1}" if n else "data"} for n in range(layers + 1)}
    made["#config"] = {"learning_rate": scale, "train": {"class": "HDFDataset", "files": [f"{i}.hdf"]}}
    made["output"] = {"class": "softmax", "loss": "ce", "from": f"h{layers}"}
    return made if i < 40 else None
"""


def test_stages_of_pretraining_that_differ_in_numbers_only_are_looked_at_once():
    """Of 40 stages there are three networks: the first ones of each are built."""
    scope: dict = {}
    exec(PRETRAINING, scope)
    config = Config()
    config.update({"num_inputs": 4, "num_outputs": 2, "num_epochs": 50, "model": "net/model", "learning_rate": 0.1})
    config.update({"train": {"class": "HDFDataset", "files": ["0.hdf"]}})
    config.update({"network": scope["stage"](39, {}), "pretrain": {"construction_algo": scope["stage"]}})
    found = [f.about for f in findings(config) if f.about.startswith("network") and not f.wrong]
    assert found == ["network of epoch 1", "network of epoch 11", "network of epoch 21"]


def networks(get_network, **more):
    """(about, says, wrong) of the networks of 8 epochs."""
    config = Config()
    config.update({"num_inputs": 4, "num_outputs": 2, "num_epochs": 8, "model": "net/model", **more})
    config.update({"get_network": get_network} if callable(get_network) else get_network)
    return [(f.about, f.says, f.wrong) for f in findings(config) if f.about.startswith("network")]


def softmax(source="data"):
    return {"output": {"class": "softmax", "loss": "ce", "from": source}}


def test_functions_that_refer_to_themselves_are_compared():
    def get_network(epoch):
        def counted(n):
            return n and counted(n - 1)

        return {**softmax(), "h": {"class": "eval", "eval": counted, "from": "data"}, "#copy": counted}

    assert [about for about, *_ in networks(get_network)] == ["network of epoch 1"]


def test_what_a_later_epoch_alone_has_wrong_is_told():
    def failing(epoch):
        return softmax() if epoch < 8 else exec("raise KeyError('mine')", {"__name__": NAME})

    def reading(epoch):
        unit = {"output": {"class": "linear", "n_out": 3}}
        first = {
            "class": "subnetwork",
            "from": "data",
            "load_on_init": {"filename": f"none-{epoch}"},
            "subnetwork": unit,
        }
        return {"first": first, **softmax("first")}

    assert [(about, wrong) for about, _, wrong in networks(failing)] == [
        ("network of epoch 1", False),
        ("network of epoch 8", True),
    ]
    assert [says.split()[-1] for _, says, _ in networks(reading)] == ["'none-1'", "'none-8'"]
    stages = [{**softmax(), "#config": {"batch_size": 5}}, {**softmax(), "#config": {"batch_sizes": 5}}, softmax()]
    pretrain = {"construction_algo": lambda idx, net_dict: (*stages, None)[idx]}
    told = networks({"network": softmax(), "pretrain": pretrain, "batch_size": 9})
    assert [about for about, _, wrong in told if wrong] == ["network of epoch 2"] and "'batch_sizes'" in told[1][1]
