"""Rows of the edit distance's table, against the textbook's loop."""

import jax
import numpy as np
import pytest

import tenure as tn
from tenure import TenureError
from tests.network.layers.running import BATCH, LABELS, LENGTHS, data, run
from tests.network.losses.test_edit_distance import levenshtein


def table(a, b, blank=None):
    """Entry [i, j]: edits between the first i labels of `a` and the first j of `b`; the last one is repeated."""
    a = list(a)
    rows = []
    for i in range(1, len(a) + 1):
        kept = [x for x in a[:i] if x != blank]
        rows.append([levenshtein(kept, b[:j]) for j in range(len(b) + 1)])
    return np.asarray(rows)


def reference(row):
    return LABELS[row, : LENGTHS[row]]


@pytest.mark.parametrize("blank", [None, 2])
def test_a_whole_sequence(blank):
    net = {
        "flip": {"class": "eval", "from": "data:classes", "eval": "3 - source(0)", "out_type": {"sparse": True}},
        "output": {"class": "edit_distance_table", "from": "flip", "target": "classes", "blank_idx": blank},
    }
    result, _ = run(net)
    found = result.outputs["output"].batch_first()
    for b, n in enumerate(LENGTHS):
        wanted = table(3 - LABELS[b, :n], reference(b), blank)
        assert np.array_equal(found.data[b, :n, : n + 1], wanted)
        assert np.array_equal(found.data[b, :n, n:], np.repeat(wanted[:, -1:], 7 - n, axis=1))


def test_step_by_step_with_completions():
    unit = {
        "a": {"class": "eval", "from": "data:source", "eval": "3 - source(0)"},
        "table": {
            "class": "edit_distance_table",
            "from": "a",
            "target": "layer:base:data:classes",
            "is_output_layer": True,
        },
        "best": {"class": "optimal_completions", "from": "prev:table", "target": "layer:base:data:classes"},
        "output": {"class": "copy", "from": "best"},
    }
    net = {
        "rec": {"class": "rec", "from": "data:classes", "unit": unit},
        "output": {"class": "copy", "from": "rec"},
        "rows": {"class": "copy", "from": "rec/table", "is_output_layer": True},
    }
    result, _ = run(net)
    best, rows = (np.asarray(result.outputs[k].batch_first().data) for k in ("output", "rows"))
    for b, n in enumerate(LENGTHS):
        a, ref = 3 - LABELS[b, :n], reference(b)
        assert np.array_equal(rows[b, :n, : n + 1], table(a, ref))
        for t in range(n):
            for label in range(4):
                wanted = min(levenshtein([*a[:t], label], ref[:j]) for j in range(n + 1))
                assert best[b, t, label] == wanted


def test_what_follows_the_end_of_a_hypothesis_edits_nothing():
    target = {"target": "layer:base:data:classes"}
    unit = {
        "output": {"class": "choice", "target": "classes", "beam_size": 3, "from": "p", "initial_output": 0},
        "end": {"class": "compare", "from": "output", "value": 0},
        "old": {"class": "linear", "activation": "tanh", "n_out": 5, "from": "prev:output"},
        "p": {"class": "softmax", "from": ["old", "base:mean"], "target": "classes"},
        "table": {"class": "edit_distance_table", "from": "output", "is_output_layer": True, **target},
        "best": {"class": "optimal_completions", "from": "prev:table", "is_output_layer": True, **target},
    }
    net = {
        "mean": {"class": "reduce", "mode": "mean", "axis": "T", "from": "data"},
        "rec": {"class": "rec", "from": [], "target": "classes", "max_seq_len": 5, "unit": unit},
        "output": {"class": "copy", "from": "rec"},
        "rows": {"class": "copy", "from": "rec/table", "is_output_layer": True},
        "best": {"class": "copy", "from": "rec/best", "is_output_layer": True},
    }
    model, flags = tn.network(net, data(), behavior_version=30), {"search": True, "losses": False}
    params, state = model.init(jax.random.key(0), BATCH, train=False, **flags)
    result, _ = model.apply(params, state, None, BATCH, layers=("*",), train=False, **flags)
    names = ("output", "rows", "best")
    labels, rows, best = (arranged(result.outputs[k]) for k in names)  # [beam, batch, time, …]
    ended = 0
    for i, b in np.ndindex(*labels.shape[:2]):
        a, ref = list(labels[i, b]), reference(b)
        going = a.index(0) + 1 if 0 in a else len(a)  # the label that ends is one of the sequence
        wanted = table(a[:going], ref)
        assert np.array_equal(rows[i, b, :going, : len(ref) + 1], wanted)
        for t in range(going, len(a)):
            assert np.array_equal(rows[i, b, t, : len(ref) + 1], wanted[-1])
            assert np.array_equal(best[i, b, t], np.full(4, wanted[-1].min()))  # no label is better than another
            ended += 1
    assert ended


def arranged(x):
    return np.asarray(x.move_axis(x.axis(x.beam_dim), 0).move_axis(x.batch_axis, 1).data)


def test_inputs_that_are_no_labels():
    with pytest.raises(TenureError, match="labels"):
        run({"output": {"class": "edit_distance_table", "from": "data", "target": "classes"}})
    assert tn.network.single_step_dim is not None and jax.devices()
