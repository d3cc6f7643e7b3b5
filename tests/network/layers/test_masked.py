"""Layers on the frames that a mask keeps."""

import jax
import numpy as np
import pytest

from tenure import network
from tenure.network.errors import NetworkError
from tests.network.layers.running import BATCH, KEEP, LABELS, data, lengths, run
from tests.network.layers.sequences import SEQUENCES, per_sequence
from tests.network.objectives import LINEAR, objective, squares


def test_masked_computation_and_unmask():
    mask = {"class": "compare", "kind": "greater", "value": 1, "from": "data:classes"}
    unit = {"class": "linear", "activation": None, "n_out": 2, "from": "data"}
    net = {
        "m": mask,
        "x": {"class": "masked_computation", "mask": "m", "unit": unit, "from": "data"},
        "u": {"class": "unmask", "mask": "m", "from": "x"},
        "output": {"class": "copy", "from": "u"},
    }
    result, params = run(net)
    w, b = (np.asarray(params["x"][n]) for n in "Wb")
    kept = [s[LABELS[i, : len(s)] > 1] @ w + b for i, s in enumerate(SEQUENCES)]
    found = result.outputs["x"]
    per_sequence(np.asarray(found.batch_first().data), kept)
    assert lengths(found, found.axis(found.time_dim)).tolist() == [len(k) for k in kept]
    full = np.asarray(result.outputs["u"].batch_first().data)
    for i, s in enumerate(SEQUENCES):
        index = np.cumsum(LABELS[i, : len(s)] > 1)
        table = np.concatenate([np.zeros((1, 2)), kept[i]])
        assert np.allclose(full[i, : len(s)], table[index], atol=1e-5)


MASK = {
    "sum": {"class": "reduce", "mode": "sum", "axis": "F", "from": "data"},
    "mask": {"class": "compare", "kind": "greater", "value": 0.0, "from": "sum"},
}


def test_a_masked_layer_has_a_loss_and_a_decay():
    unit = {**LINEAR, "loss": "as_is", "L2": 0.1}
    net = {**MASK, "output": {"class": "masked_computation", "mask": "mask", "from": "data", "unit": unit}}
    result, params = objective(net)
    whole, _ = run({"output": LINEAR})  # the same parameters, as their names are the same
    y = np.asarray(whole.outputs["output"].batch_first().data)
    keep = KEEP & (np.asarray(BATCH["data"][0]).sum(-1) > 0)
    assert np.allclose(result.losses["output/output"].loss, y[keep].sum(), rtol=1e-4)
    assert np.allclose(result.constraints, 0.1 * squares(params, "output"), rtol=1e-5)


def test_base_in_a_masked_sub_network_is_outside_of_the_loop():
    """As in RETURNN, where the layers around a masked computation are its own."""
    inside = {"output": {**LINEAR, "reuse_params": "base:base:outer"}}
    unit = {
        "mask": {"class": "compare", "kind": "greater", "value": 0.0, "from": "sum"},
        "sum": {"class": "reduce", "mode": "sum", "axis": "F", "from": "data:source"},
        "some": {
            "class": "masked_computation",
            "mask": "mask",
            "from": "data:source",
            "unit": {"class": "subnetwork", "subnetwork": inside},
        },
        "output": {"class": "copy", "from": ["some", "prev:some"]},
    }
    net = {"outer": LINEAR, "output": {"class": "rec", "from": "data", "unit": unit}}
    result, params = objective(net)
    assert list(params) == ["outer"]
    outer, some = (np.asarray(result.outputs[key].batch_first().data) for key in ("outer", "output"))
    keep = KEEP & (np.asarray(BATCH["data"][0]).sum(-1) > 0)
    assert keep.any() and np.allclose(some[keep][:, :5], outer[keep], rtol=1e-5)


def test_what_is_masked_before_a_loop_is_what_its_steps_would_mask():
    """Of an alignment, where 0 is no label: a memory of labels step by step, and over `masked_from`, which has the labels only."""
    memory = {"output": {"class": "rec", "unit": "lstm", "n_out": 3, "from": "data"}}
    unit = {"class": "subnetwork", "from": "data", "subnetwork": memory}
    masked = {"class": "masked_computation", "mask": "prev:emit", "from": "prev:output", "unit": unit}
    body = {
        "output": {"class": "choice", "target": "classes", "beam_size": 1, "from": "p", "initial_output": 0},
        "emit": {"class": "compare", "kind": "not_equal", "value": 0, "from": "output", "initial_output": True},
        "spread": {"class": "unmask", "mask": "prev:emit", "from": "memory"},
        "state": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 2, "from": ["spread", "data:source"]},
        "p": {"class": "softmax", "n_out": 4, "from": "state", "is_output_layer": True},
    }
    net = {
        "emits": {"class": "compare", "kind": "not_equal", "value": 0, "from": "data:classes"},
        "labels": {
            "class": "masked_computation",
            "mask": "emits",
            "from": "data:classes",
            "unit": {"class": "copy", "from": "data"},
        },
        "before": {"class": "prefix_in_time", "prefix": 0, "from": "labels"},
    }
    loop = {"class": "rec", "from": "data"}
    found = []
    for way in ({}, {"masked_from": "base:before"}):
        whole = {**net, "output": {**loop, "unit": {**body, "memory": masked | way}}}
        found.append(np.asarray(run(whole, layers=["output/p"])[0].outputs["output/p"].batch_first().data)[KEEP])
    assert found[0].std() > 0.01 and np.allclose(*found, atol=1e-6)


def test_labels_of_another_length_than_a_loop_are_a_sequence_of_their_own():
    """As in a transducer that sums over all alignments: scores of each frame and each label, and no step that reads a label."""
    body = {
        "frame": {**LINEAR, "from": "data:source"},
        "memory": {
            "class": "masked_computation",
            "mask": "prev:emit",
            "from": "prev:output",
            "masked_from": "base:before",
            "unit": LINEAR,
        },
        "p": {
            "class": "combine",
            "kind": "add",
            "from": ["frame", "memory"],
            "allow_broadcast_all_sources": True,
            "is_output_layer": True,
        },
        "output": {"class": "choice", "target": "classes", "beam_size": 1, "from": "p", "initial_output": 0},
        "emit": {"class": "compare", "kind": "greater", "value": 1, "from": "output", "initial_output": True},
        "emitted": {"class": "copy", "from": "prev:emit", "is_output_layer": True},
    }
    before = {"class": "prefix_in_time", "prefix": 0, "from": "data:classes"}
    net = {"before": before, "output": {"class": "rec", "from": "data", "unit": body}}
    inputs = {"data": {"dim": 5}, "classes": {"dim": 4, "sparse": True}}
    labels, count = np.array([[1, 3, 2], [2, 0, 0], [0, 0, 0]]), np.array([3, 1, 0])
    names = ["output", "output/p", "output/emitted"]
    result, params = run(net, layers=names, inputs=inputs, batch={"data": BATCH["data"], "classes": (labels, count)})
    frames, memory = (params[f"output/rec/{name}"] for name in ("frame", "memory"))
    history = np.concatenate([np.zeros((3, 1), int), labels], 1)
    expected = np.tanh(np.asarray(BATCH["data"][0]) @ frames["W"] + frames["b"])[:, :, None]
    expected = expected + np.tanh(memory["W"][history] + memory["b"])[:, None]
    p = result.outputs["output/p"].batch_first()
    assert p.shape == (3, 6, 4, 5) and np.allclose(p.data[KEEP], expected[KEEP], atol=1e-5)
    found, emitted = (result.outputs[name].batch_first() for name in names[::2])
    assert found.data.tolist() == labels.tolist() and lengths(found, 1).tolist() == count.tolist()
    assert emitted.data[0].tolist() == [True, False, True]


def test_a_label_model_that_sees_nothing_of_the_loop_runs_over_all_labels_once():
    """A loop whose labels are known computes an LSTM over the masked labels, with no mask of its own, and spreads it over the steps."""
    lstm = {"class": "subnetwork", "from": "data", "subnetwork": {"output": {"class": "rec", "unit": "lstm", "n_out": 3, "from": "data"}}}  # fmt: skip

    def model(of: str, where: str) -> dict:
        return {
            "e": {"class": "linear", "activation": None, "n_out": 2, "from": where + "labels"},
            "pad": {"class": "pad", "axes": "T", "padding": (1, 0), "value": 0, "mode": "constant", "from": "e"},
            "lm": {"class": "masked_computation", "mask": None, "masked_from": "pad", "from": [], "unit": lstm},
            "flag": {"class": "shift_axis", "axis": "T", "amount": 1, "from": where + "mask"},
            "u": {"class": "unmask", "from": "lm", "mask": "flag"},
            "s": {"class": "reinterpret_data", "from": "u", "size_base": "data:classes"},
            "output": {"class": "linear", "activation": "tanh", "n_out": 2, "from": [of, "s"]},
        }

    net = {
        "mask": {"class": "compare", "kind": "greater", "value": 1, "from": "data:classes"},
        "labels": {
            "class": "masked_computation",
            "mask": "mask",
            "from": "data:classes",
            "unit": {"class": "copy", "from": "data"},
        },
        "frames": {"class": "reinterpret_data", "size_base": "data:classes", "from": "data"},
    }
    inside = net | {"output": {"class": "rec", "from": "frames", "target": "classes", "unit": model("data:source", "base:")}}  # fmt: skip

    def computed(whole: dict) -> np.ndarray:
        net = network.Network(whole, data())
        params, state = net.init(jax.random.key(0), BATCH)
        rngs = {(m, k): np.random.RandomState(len(k) + x.size) for m, of in params.items() for k, x in of.items()}
        params = {m: {k: rngs[m, k].normal(size=x.shape).astype("float32") for k, x in of.items()} for m, of in params.items()}  # fmt: skip
        return np.asarray(net.apply(params, state, None, BATCH)[0].outputs["output"].batch_first().data)

    found, expected = computed(inside), computed(net | model("frames", ""))
    for i, s in enumerate(SEQUENCES):
        assert np.allclose(found[i, : len(s)], expected[i, : len(s)], atol=1e-5)
    assert np.std(found) > 0.1


def test_without_a_mask_the_frames_are_those_of_masked_from_alone():
    """Layers around are seen as they are, and a masked computation that has neither says what it needs."""
    unit = {**LINEAR, "from": ["data", "other"]}
    net = {
        "frames": {"class": "copy", "from": "data"},
        "other": {**LINEAR, "from": "data"},
        "output": {"class": "masked_computation", "mask": None, "masked_from": "frames", "unit": unit},
    }
    result, params = run(net, layers=["output", "other"])
    x = np.concatenate([BATCH["data"][0], result.outputs["other"].batch_first().data], -1)
    expected = np.tanh(x @ params["output"]["W"] + params["output"]["b"])
    np.testing.assert_allclose(result.outputs["output"].batch_first().data[KEEP], expected[KEEP], atol=1e-5)
    with pytest.raises(NetworkError, match="'mask' is None: it says which frames"):
        run({"output": {"class": "masked_computation", "mask": None, "from": "data", "unit": LINEAR}})


@pytest.mark.parametrize("nested", ["in a sub-network", "at once"])
def test_a_mask_inside_of_a_masked_layer_counts_where_both_do(nested):
    """A cell under two masks goes on where both say so, as under one mask of both."""

    def mask(name, value):
        score = {"class": "linear", "n_out": 1, "from": ["data:source", "prev:s"]}
        one = {"class": "squeeze", "axis": "F", "from": f"{name}:score"}
        compared = {"class": "compare", "kind": "greater", "value": value, "from": f"{name}:one"}
        return {f"{name}:score": score, f"{name}:one": one, name: compared}

    cell = {"class": "rec", "unit": "nativelstm2", "n_out": 3, "from": "data"}
    inner = {"class": "masked_computation", "mask": "n", "from": "data", "unit": cell}
    sub = {"a": {**inner, "mask": "base:n"}, "output": {"class": "copy", "from": "a"}}
    two = inner if nested == "at once" else {"class": "subnetwork", "from": "data", "subnetwork": sub}
    unit = {
        **mask("m", -1.0),
        **mask("n", -1.0),
        "both": {"class": "combine", "kind": "logical_and", "from": ["m", "n"]},
        "s": {"class": "linear", "n_out": 3, "activation": "tanh", "from": ["data:source", "prev:s"]},
        "two": {"class": "masked_computation", "mask": "m", "from": "s", "unit": two},
        "one": {"class": "masked_computation", "mask": "both", "from": "s", "unit": cell},
        "output": {"class": "copy", "from": ["two", "one"]},
    }
    model = network.Network({"output": {"class": "rec", "from": "data", "unit": unit}}, data())
    params, state = model.init(jax.random.key(3), BATCH)
    (one,) = (m for m in params if m.endswith("/one/rec"))
    (twos,) = (m for m in params if "/two" in m)
    result, _ = model.apply({**params, twos: params[one]}, state, None, BATCH)
    found = np.asarray(result.outputs["output"].batch_first().data)[KEEP]
    assert np.unique(found.round(5), axis=0).shape[0] > 4  # some frames are masked, and some are not
    np.testing.assert_allclose(found[:, :3], found[:, 3:], atol=1e-6)
