"""Searches that go on with fewer sequences when others are over, next to those that go on with all."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn

LABELS, BATCH, FRAMES = 5, 7, 18
DATA = {"data": {"dim": 4}, "classes": {"dim": LABELS, "sparse": True, "available_for_inference": False}}
LENGTHS = np.array([4, 9, 3, 18, 6, 5, 12])
FLAGS = {"train": False, "losses": False, "search": True}


def decoder(**rec):
    """Attends to the input and to its own labels; hypotheses end soon after as many labels as there are frames."""
    attention = {"class": "self_attention", "num_heads": 2, "total_key_dim": 4, "n_out": 4, "attention_left_only": True}
    unit = {
        "embed": {"class": "linear", "n_out": 4, "activation": None, "from": "prev:output"},
        "self": {**attention, "from": "embed"},
        "s": {"class": "rec", "unit": "nativelstm2", "n_out": 4, "from": ["embed", "prev:att"]},
        "query": {"class": "linear", "n_out": 4, "with_bias": False, "from": ["self", "s"]},
        "energy": {"class": "dot", "red1": "F", "red2": "F", "var1": "T", "var2": None, "from": ["base:enc", "query"]},
        "weights": {"class": "softmax_over_spatial", "axis": "T", "from": "energy"},
        "att": {"class": "generic_attention", "weights": "weights", "base": "base:enc"},
        "scores": {"class": "linear", "n_out": LABELS, "activation": None, "from": ["att", "s"]},
        "late": {"class": "eval", "eval": "tf.cast(source(0) - source(1) + 1, 'float32') * 3.0", "from": [":i", "base:n"]},
        "over": {"class": "combine", "kind": "mul", "from": ["late", "base:zero"], "allow_broadcast_all_sources": True},
        "logits": {"class": "combine", "kind": "add", "from": ["scores", "over"]},
        "p": {"class": "activation", "activation": "softmax", "from": "logits"},
        "output": {"class": "choice", "target": "classes", "beam_size": 3, "from": "p", "initial_output": 0},
        "end": {"class": "compare", "kind": "equal", "value": 0, "from": "output"},
    }  # fmt: skip
    first = np.eye(LABELS, dtype="float32")[0]
    return {
        "enc": {"class": "linear", "n_out": 4, "activation": "tanh", "from": "data"},
        "n": {"class": "length", "from": "data"},
        "zero": {"class": "constant", "value": first, "shape": (LABELS,), "with_batch_dim": False},
        "output": {"class": "rec", "from": [], "target": "classes", "max_seq_len": 25, "unit": unit, **rec},
        "decision": {"class": "decide", "from": "output", "is_output_layer": True},
    }


def batch(padding=0.0):
    x = np.random.RandomState(1).randn(BATCH, FRAMES, 4).astype("float32")
    return np.where(np.arange(FRAMES)[None, :, None] < LENGTHS[:, None, None], x, padding).astype("float32")


def search(layers=("decision",), **rec):
    """The network's parameters, and its search as a function of them and of the data."""
    model = tn.network(decoder(**rec), DATA)
    params, state = model.init(jax.random.key(3), {"data": (batch(), LENGTHS)}, **FLAGS)
    leaves, tree = jax.tree.flatten(params)
    rng = np.random.RandomState(5)
    params = jax.tree.unflatten(tree, [jnp.asarray(rng.randn(*x.shape), x.dtype) for x in leaves])

    def run(params, x, lengths):
        result, _ = model.apply(params, state, None, {"data": (x, lengths)}, layers=list(layers), **FLAGS)
        out = result.outputs[layers[0]]
        return out.data, next(iter(out.lengths.values())).data

    return params, run


def batches_of_loops(run, *args):
    """The batch sizes of the loops that search: what carries tables of ancestors."""
    text = jax.jit(run).lower(*args).as_text()
    return {int(n) for n in re.findall(r"tensor<3x(\d+)x25xi32>", text)}


def test_the_labels_are_those_of_a_search_that_goes_on_with_all():
    params, whole = search()
    _, smaller = search(compact=2)
    labels, lengths = jax.jit(whole)(params, batch(), LENGTHS)
    assert len(set(np.asarray(lengths).tolist())) > 3 and max(lengths) > 2 * sorted(lengths)[3], lengths
    assert batches_of_loops(whole, params, batch(), LENGTHS) == {7}
    assert batches_of_loops(smaller, params, batch(), LENGTHS) == {7, 4, 2}
    keep = np.arange(labels.shape[1]) <= np.asarray(lengths)[:, None]  # with the label that ends them
    for padding in (0.0, np.nan):
        found, ends = jax.jit(smaller)(params, batch(padding), LENGTHS)
        np.testing.assert_array_equal(lengths, ends)
        np.testing.assert_array_equal(np.where(keep, labels, 0), np.where(keep, found, 0))


def test_a_search_whose_hypotheses_are_all_asked_for_goes_on_with_all():
    params, run = search(layers=("output",), compact=2)
    assert batches_of_loops(run, params, batch(), LENGTHS) == {7}


@pytest.mark.slow
def test_a_program_for_any_number_of_sequences_goes_on_with_all_and_finds_the_same_as_without_a_program():
    params, run = search(compact=2)
    (b,) = jax.export.symbolic_shape("b")
    shapes = jax.ShapeDtypeStruct((b, FRAMES, 4), jnp.float32), jax.ShapeDtypeStruct((b,), jnp.int32)
    program = jax.export.export(jax.jit(lambda x, n: run(params, x, n)))(*shapes)
    for a, b in zip(program.call(batch(), LENGTHS), run(params, batch(), LENGTHS), strict=True):
        a = a[:, : b.shape[1]] if b.ndim > 1 else a
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("compact", [-1, "often", 0.5])
def test_no_number_of_times_is_refused(compact):
    with pytest.raises(tn.TenureError, match=r"(?s)compact.*how many times"):
        search(compact=compact)
