"""What tasks say, and a data set of three sequences."""

import io

import numpy as np

from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tests.training.engine.small import config

BEST = {
    "class": "reduce",
    "mode": "argmax",
    "axis": "f",
    "from": "output",
    "target": "classes",
    "is_output_layer": True,
}
STATIC = [{"data": np.eye(9, dtype="float32")[:n], "classes": np.arange(n, dtype="int32") % 2} for n in (3, 5, 4)]
DATA = {"class": "StaticDataset", "data": STATIC, "output_dim": {"data": [9, 2], "classes": [2, 1]}}
NO_TARGETS = {"class": "StaticDataset", "data": [{"data": s["data"]} for s in STATIC], "output_dim": {"data": [9, 2]}}


def said(folder, verbosity=3, **more):
    out = io.StringIO()
    tasks.run(config(folder, **more), Log(verbosity, out=out))
    return out.getvalue()
