"""What of a config is looked at before a training."""

from tenure.training.config.config import Config
from tenure.training.engine.checking import findings

PRETRAINING = """
def stage(i, net):
    layers = min(i // 10, 2)
    scale = 0.1 * (i + 1)
    made = {f"h{n}": {"class": "linear", "n_out": 3, "activation": lambda x: x * scale, "dropout": scale / 10, "from": f"h{n - 1}" if n else "data"} for n in range(layers + 1)}
    made["#config"] = {"learning_rate": scale}
    made["output"] = {"class": "softmax", "loss": "ce", "from": f"h{layers}"}
    return made if i < 40 else None
"""


def test_stages_of_pretraining_that_differ_in_numbers_only_are_looked_at_once():
    """Of 40 stages there are three networks: the first ones of each are built."""
    scope: dict = {}
    exec(PRETRAINING, scope)
    config = Config()
    config.update({"num_inputs": 4, "num_outputs": 2, "num_epochs": 50, "model": "net/model", "learning_rate": 0.1})
    config.update({"network": scope["stage"](39, {}), "pretrain": {"construction_algo": scope["stage"]}})
    found = [f.about for f in findings(config) if f.about.startswith("network") and not f.wrong]
    assert found == ["network of epoch 1", "network of epoch 11", "network of epoch 21"]
