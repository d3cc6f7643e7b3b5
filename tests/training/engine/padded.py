"""Trainings on sequences of three lengths, and the shapes that their logs tell."""

import io
import re

import numpy as np

from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.engine.models import Models, read

NET = {
    "h": {"class": "linear", "activation": "tanh", "n_out": 3, "from": "data"},
    "output": {"class": "softmax", "loss": "ce", "from": "h"},
}


def sequences(count, seed=0):
    random = np.random.RandomState(seed)
    lengths = random.choice([9, 25, 38], count)
    return [
        {"data": random.randn(n, 4).astype("float32"), "classes": random.randint(0, 3, n).astype("int32")}
        for n in lengths
    ]


def config(folder, **more):
    return {
        "model": f"{folder}/net/model",
        "learning_rate_file": f"{folder}/rates",
        "train": {"class": "StaticDataset", "data": sequences(10)},
        "dev": {"class": "StaticDataset", "data": sequences(9, 1)},
        "extern_data": {"data": {"dim": 4}, "classes": {"dim": 3, "sparse": True}},
        "network": NET,
        "batch_size": 100,
        "max_seqs": 5,
        "batching": "random",
        "learning_rate": 0.01,
        "num_epochs": 2,
        **more,
    }


def run(folder, **more):
    log = io.StringIO()
    tasks.run(config(folder, **more), Log(3, out=log))
    return read(Models(folder / "net" / "model").path(2)), log.getvalue()


def lines(log, what):
    return re.findall(rf"compiled {what}.* (\d+) x \(classes (\d+), data (\d+)\)", log)
