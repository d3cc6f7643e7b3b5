"""Weights that tests write in every format."""

import ml_dtypes
import numpy as np

from tenure.convert import Weights, held

WRITTEN = {
    "npz": "w.npz",
    "safetensors": "w.safetensors",
    "torch": "w.pt",
    "flax": "w.msgpack",
    "equinox": "w.eqx",
    "keras": "w.h5",
    "gguf": "w.gguf",
    "ctranslate2": "model.bin",
    "onnx": "w.onnx",
    "tensorflow": "w.index",
    "orbax": "folder",
    "tenure": "checkpoint",
}


def arrays(seed=0):
    draw = np.random.RandomState(seed)
    return {
        "embed/w": draw.randn(5, 3).astype("float32"),
        "layer_0/linear/w": draw.randn(3, 4).astype("float16"),
        "layer_0/linear/b": np.arange(4, dtype="int32"),
        "scale/x": np.asarray(3.5, "float32"),
        "brain/w": draw.randn(2, 2).astype(ml_dtypes.bfloat16),
    }


def weights(format=""):
    """The arrays with two ties; HDF5 has no bfloat16."""
    values = {name: held(value) for name, value in arrays().items() if format != "keras" or name != "brain/w"}
    return Weights("memory", format, values, {"head/w": "embed/w", "out/w": "embed/w | transpose"})


def table(seed=0):
    """A matrix of seven rows."""
    return np.random.RandomState(seed).randn(7, 4).astype("float32")


def named(ties=None, **values):
    """Weights of another library by their names, with its ties."""
    return Weights("theirs", "test", {k: held(v) for k, v in values.items()}, ties)
