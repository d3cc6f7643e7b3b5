"""A network that grows in three steps."""

from tenure.training.pretraining.plan import Pretraining

LINEAR = {"class": "linear", "activation": "tanh", "n_out": 4}
NET = {
    "a": {**LINEAR, "from": "data"},
    "b": {**LINEAR, "from": "a"},
    "c": {**LINEAR, "from": "b"},
    "output": {"class": "softmax", "loss": "ce", "from": "c"},
}


def custom(index, net):
    """First a, then a and b, then all, each wider than the one before."""
    if index >= 2:
        return None
    kept = ["a", "b"][: index + 1]
    return {**{k: {**net[k], "n_out": 2 + index} for k in kept}, "output": {**net["output"], "from": kept[-1]}}


def plan(**options):
    return Pretraining.from_config({"network": NET, "pretrain": {"construction_algo": custom, **options}})


def layers(pretraining, epochs):
    return ["".join(sorted(k for k in pretraining.network(e) if k != "output")) for e in range(1, epochs + 1)]
