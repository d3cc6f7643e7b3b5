"""Running a dictionary on a small batch."""

import jax
import numpy as np

import tenure.network as network
from tenure.network import Dim, batch_dim, feature_dim

LENGTHS = np.array([6, 4, 1], "int32")
KEEP = np.arange(6) < LENGTHS[:, None]
X = np.random.RandomState(0).randn(3, 6, 5).astype("float32") * KEEP[..., None]
LABELS = np.random.RandomState(1).randint(0, 4, (3, 6)).astype("int32") * KEEP
BATCH = {"data": (X, LENGTHS), "classes": (LABELS, LENGTHS)}


def data():
    """The declared inputs: features and classes over one time dim."""
    time = Dim(None, "time")
    return {
        "data": {"dims": [batch_dim(), time, feature_dim(5)], "time_dim_axis": 1, "feature_dim_axis": 2},
        "classes": {"dims": [batch_dim(), time], "sparse_dim": feature_dim(4, "classes"), "dtype": "int32"},
    }


def run(net, *, inputs=None, batch=None, layers=("*",), compiled=False, version=30, **flags):
    """The outputs of all layers; and everything else in `.result`."""
    net = net if "output" in net else {**net, "output": {"class": "copy", "from": list(net)[-1]}}
    model = network.Network(net, inputs or data(), behavior_version=version)
    batch = BATCH if batch is None else batch
    params, state = model.init(jax.random.key(0), batch)

    def forward(params, state):
        return model.apply(params, state, jax.random.key(1), batch, layers=layers, **flags)

    result, _ = (jax.jit(forward) if compiled else forward)(params, state)
    return result, params


def output(options, *, name="x", more=None, **how):
    """The output of one layer, as an array with the batch first; and the tensor."""
    result, _ = run({**(more or {}), name: {"from": "data", **options}}, **how)
    found = result.outputs[name]
    return np.asarray(found.batch_first().data), found


def lengths(x, axis):
    """The lengths of an axis."""
    return np.asarray(next(n.data for d, n in x.lengths.items() if d == x.dims[axis]))
