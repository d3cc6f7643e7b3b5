"""What is put before, after and between the frames of a sequence, against numpy, sequence by sequence."""

import numpy as np
import pytest

from tenure.network import Dim, batch_dim
from tests.network.layers.running import BATCH, LABELS, LENGTHS, X, data, lengths, output, run
from tests.network.layers.sequences import SEQUENCES, per_sequence


def test_prefix_and_postfix():
    y, t = output({"class": "prefix_in_time", "prefix": 7.0, "repeat": 2})
    per_sequence(y, [np.concatenate([np.full((2, 5), 7), s]) for s in SEQUENCES])
    assert lengths(t, 1).tolist() == (LENGTHS + 2).tolist()
    y, t = output({"class": "postfix_in_time", "postfix": 7.0, "repeat": 2})
    per_sequence(y, [np.concatenate([s, np.full((2, 5), 7)]) for s in SEQUENCES])
    assert lengths(t, 1).tolist() == (LENGTHS + 2).tolist()


@pytest.mark.parametrize("cls", ["prefix_in_time", "postfix_in_time"])
def test_the_longer_time_is_found_by_the_name_of_the_layer(cls):
    net = {"encoder": {"class": cls, "from": "data", "repeat": 2}}
    net["output"] = {"class": "reduce", "mode": "sum", "axis": "stag:enc", "from": "encoder"}
    result, _ = run(net)
    assert result.outputs["output"].shape == (X.shape[0], X.shape[2])


def test_a_postfix_from_a_layer():
    more = {"last": {"class": "reduce", "mode": "sum", "axis": "T", "from": "data"}}
    y, _ = output({"class": "postfix_in_time", "postfix": "last"}, more=more)
    per_sequence(y, [np.concatenate([s, s.sum(0, keepdims=True)]) for s in SEQUENCES], 1e-4)


def test_a_prefix_whose_length_differs():
    more = {
        "n": {"class": "reduce", "mode": "max", "axis": "T", "from": "c"},
        "c": {"class": "reinterpret_data", "from": "data:classes", "set_sparse": False},
    }
    y, t = output({"class": "prefix_in_time", "prefix": 1.0, "repeat": "n"}, more=more)
    counts = [LABELS[b, :n].max() for b, n in enumerate(LENGTHS)]
    per_sequence(y, [np.concatenate([np.ones((c, 5)), s]) for c, s in zip(counts, SEQUENCES)])
    assert lengths(t, t.axis(t.time_dim)).tolist() == [len(s) + c for c, s in zip(counts, SEQUENCES)]


@pytest.mark.parametrize("amount", [2, -2])
def test_shift(amount):
    y, _ = output({"class": "shift_axis", "axis": "T", "amount": amount, "pad_value": 9.0, "adjust_size_info": False})
    gap = np.full((2, 5), 9)
    per_sequence(y, [np.concatenate([gap, s] if amount > 0 else [s[2:], gap])[: len(s)] for s in SEQUENCES])
    _, t = output({"class": "shift_axis", "axis": "T", "amount": amount})
    assert lengths(t, 1).tolist() == np.clip(LENGTHS + amount, 0, 6).tolist()


def test_repeat_by_a_number_and_by_a_layer():
    y, _ = output({"class": "repeat", "repetitions": 3})
    assert np.allclose(y, np.repeat(X, 3, axis=1))
    more = {"n": {"class": "reinterpret_data", "from": "data:classes", "set_sparse": False}}
    y, t = output({"class": "repeat", "repetitions": "n"}, more=more)
    per_sequence(y, [np.repeat(s, LABELS[b, : len(s)], axis=0) for b, s in enumerate(SEQUENCES)])
    assert lengths(t, 1).tolist() == [LABELS[b, :n].sum() for b, n in enumerate(LENGTHS)]


def test_resize():
    y, _ = output({"class": "resize", "axis": "T", "factor": 2, "kind": "cubic"})
    per_sequence(y[:, ::2], SEQUENCES, 1e-6)
    middle = (-0.09375, 0.59375, 0.59375, -0.09375)  # Keys at one half, with -3/4
    assert np.allclose(y[:2, 3], sum(w * X[:2, i] for i, w in enumerate(middle)), atol=1e-5)
    y, t = output({"class": "resize", "axis": "T", "factor": 2, "kind": "linear"})
    ends = np.concatenate([X[:, 1:], X[:, -1:]], 1)
    ends[range(3), LENGTHS - 1] = X[range(3), LENGTHS - 1]  # the last frame has no next one
    per_sequence(y[:, ::2], SEQUENCES, 1e-6)
    per_sequence(y[:, 1::2], [((X + ends) / 2)[b, :n] for b, n in enumerate(LENGTHS)], 1e-6)
    assert lengths(t, 1).tolist() == (LENGTHS * 2).tolist()
    y, t = output({"class": "resize", "axis": "T", "factor": 0.5})
    assert np.allclose(y, X[:, ::2]) and lengths(t, 1).tolist() == [3, 2, 1]
    y, _ = output({"class": "resize", "axis": "T", "factor": 2, "kind": "fill", "fill_value": 5.0})
    assert np.allclose(y[:, ::2], X) and np.all(y[:, 1::2] == 5)


def test_dropping_some_of_what_was_put_in_between():
    y, t = output({"class": "resize", "axis": "T", "factor": 3, "kind": "fill", "fill_value": 9.0, "fill_dropout": 0.5})
    counts = lengths(t, 1)
    filled = [(row[:n] == 9).all(-1) for row, n in zip(y, counts, strict=True)]
    for row, gone, s in zip(y, filled, SEQUENCES, strict=True):
        assert np.allclose(row[: len(gone)][~gone], s)
    assert counts[0] == 6 + filled[0].sum() and 0 < filled[0].sum() < 12
    assert all(np.array_equal(f, filled[0][: len(f)]) for f in filled)  # the same places in all sequences
    y, t = output({"class": "resize", "axis": "T", "factor": 3, "fill_dropout": 1e-9}, compiled=True)
    assert lengths(t, 1).tolist() == (LENGTHS * 3).tolist() and np.allclose(y, np.repeat(X, 3, axis=1))


def test_repetitions_over_a_dim_of_their_own():
    """RETURNN takes repetitions [B, T'] of any one axis beside the batch for those of the axis."""
    declared = data()
    declared["times"] = {"dims": [batch_dim(), Dim(None, "other")], "dtype": "int32"}
    times = np.array([[1, 2, 0, 1, 1, 1], [2, 2, 1, 1, 0, 0], [3, 0, 0, 0, 0, 0]], "int32")
    net = {"output": {"class": "repeat", "repetitions": "data:times", "axis": "T", "from": "data"}}
    result, _ = run(net, inputs=declared, batch={**BATCH, "times": (times, LENGTHS)})
    found = np.asarray(result.outputs["output"].batch_first().data)
    for b in range(3):
        expected = np.repeat(X[b], times[b], axis=0)
        np.testing.assert_array_equal(found[b, : len(expected)], expected)
