"""Data sets in real files, and a training on them."""

import numpy as np

from tenure.training.data.base import Stream
from tenure.training.data.writing import HdfWriter
from tenure.training.engine import tasks
from tenure.training.engine.log import Log

random = np.random.RandomState(0)
GOOD = [(random.randn(n, 4).astype("float32"), random.randint(0, 3, n)) for n in (3, 5, 4)]


def written(path, sequences, size=4):
    with HdfWriter(path, {"data": Stream(size), "classes": Stream(0, True)}) as file:
        for number, (data, classes) in enumerate(sequences):
            file.add(f"seq{number}", {"data": data, "classes": classes})
    return {"class": "HDFDataset", "files": [str(path)]}


def train(folder, data, **more):
    config = {
        "model": f"{folder}/net/model",
        "extern_data": {"data": {"dim": 4}, "classes": {"dim": 3, "sparse": True}},
        "network": {"output": {"class": "softmax", "loss": "ce", "from": "data"}},
        "num_epochs": 1,
        "train": data,
        **more,
    }
    tasks.run(config, Log(0))
