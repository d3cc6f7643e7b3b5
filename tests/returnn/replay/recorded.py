"""A case made here as if it had been recorded."""

import numpy as np

RNG = np.random.RandomState(0)
X, W, B = RNG.randn(2, 3, 4), RNG.randn(4, 2), RNG.randn(2)
LABELS, LENGTHS = np.array([[0, 1, 1], [1, 0, 0]], "int32"), np.array([3, 2], "int32")


def ref(name, array):
    return {"array": name, "shape": list(array.shape), "dtype": str(array.dtype)}


def made():
    """A softmax layer with cross entropy, as if recorded."""
    x, w, b = (a.astype("float32") for a in (X, W, B))
    logits = x @ w + b
    probs = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    keep = np.arange(3) < LENGTHS[:, None]
    loss = -np.log(np.take_along_axis(probs, LABELS[..., None], -1)[..., 0])[keep].sum()
    by_logits = (probs - np.eye(2)[LABELS]) * keep[..., None]
    arrays = {
        "x": x, "w": w, "b": b, "y": probs.astype("float32"), "c": LABELS, "n": LENGTHS,
        "gw": np.einsum("btf,btn->fn", x, by_logits).astype("float32"), "gb": by_logits.sum((0, 1)).astype("float32"),
    }  # fmt: skip
    batch, time = (
        {"dim": "o0", "kind": "batch"},
        {"dim": "o1", "kind": "spatial", "seq_lens": "s0", "size_dims": ["batch"]},
    )
    axes = {"batch_dim_axis": 0, "time_dim_axis": 1}
    dense = {"dtype": "float32", "sparse": False, **axes, "feature_dim_axis": 2}
    sparse = {"dtype": "int32", "sparse": True, **axes, "feature_dim_axis": None}
    data = {
        "id": "made#0",
        "behavior_version": 30,
        "train_flag": False,
        "eval_flag": True,
        "search_flag": False,
        "classes": ["softmax"],
        "flags": [],
        "net_dict": {"output": {"class": "softmax", "from": "data", "loss": "ce", "target": "classes"}},
        "default_input": "data",
        "default_target": "classes",
        "dims": {
            "d0": {"special": "batch_dim", "name": "batch", "kind": "batch", "size": None},
            "d1": {"name": "time", "kind": "spatial", "size": None},
            "d2": {"name": "in", "kind": "feature", "size": 4},
            "d3": {"name": "classes", "kind": "feature", "size": 2},
        },
        "out_dims": {"o0": {"user_dims": ["d0"]}, "o1": {"user_dims": ["d1"]}, "o2": {"user_dims": ["d2"]}, "o3": {}},
        "extern_data": {
            "data": {**dense, "dims": ["d0", "d1", "d2"]},
            "classes": {**sparse, "dims": ["d0", "d1"], "sparse_dim": "d3"},
        },
        "inputs": {
            "data": {"value": ref("x", x), "template": {"dims": [batch, time, {"dim": "o2", "kind": "feature", "size": 4}]}},
            "classes": {"value": ref("c", LABELS), "template": {"dims": [batch, time]}},
        },
        "sizes": {"s0": ref("n", LENGTHS)},
        "params": [
            {"name": "output/W", "shape": [4, 2], "value": ref("w", w)},
            {"name": "output/b", "shape": [2], "value": ref("b", b)},
        ],
        "layers": {
            "output": {
                "class": "softmax",
                "abs_name": "output",
                "status": "ok",
                "output": {**dense, "dims": [batch, time, {"dim": "o3", "kind": "feature", "size": 2}]},
                "value": ref("y", arrays["y"]),
            }
        },
        "losses": {"output": {"class": "ce", "loss": float(loss), "norm_factor": 1 / 5}},
        "total_loss": float(loss),
        "total_objective": float(loss),
        "grads": {"output/W": ref("gw", arrays["gw"]), "output/b": ref("gb", arrays["gb"])},
    }  # fmt: skip
    return data, arrays
