"""Trainings of seconds: a small network on generated data, and what is read of them."""

from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.engine.models import Models, read

NET = {
    "h": {"class": "linear", "activation": "tanh", "n_out": 5, "from": "data", "dropout": 0.2},
    "output": {"class": "softmax", "loss": "ce", "from": "h"},
}


def config(folder, **more):
    data = {"class": "Task12AXDataset", "num_seqs": 12}
    return {
        "model": f"{folder}/net/model",
        "learning_rate_file": f"{folder}/rates",
        "train": data,
        "dev": {**data, "fixed_random_seed": 1},
        "num_inputs": 9,
        "num_outputs": 2,
        "network": NET,
        "batch_size": 300,
        "batching": "random",
        "optimizer": {"class": "adam"},
        "learning_rate": 0.01,
        "num_epochs": 2,
        "report": False,
        **more,
    }


def run(folder, **more):
    tasks.run(config(folder, **more), Log(0))
    return values(folder)


def values(folder, epoch=2):
    return read(Models(folder / "net" / "model").path(epoch))


class StopAt:
    """Stops a training after so many steps, as a signal would."""

    def __init__(self, steps):
        self.left, self.training = steps, None

    def __call__(self, what, told):
        self.training = told.get("training", self.training)
        if what == "step" and told["dataset"] == "train":
            self.left -= 1
            if not self.left:
                self.training.signals.number = 15


SIX = {"class": "Task12AXDataset", "num_seqs": 6}
SMALL = {"output": {"class": "softmax", "loss": "ce", "from": "data"}}


def small(folder, **more):
    return config(folder, **{"train": SIX, "dev": None, "network": SMALL, "report": False, **more})
