"""The forms of a loop's layers are found by computing the body a few times."""

import pytest

import tenure as tn


@tn.network.layer("counted")
class Counted(tn.network.Layer):
    """Its input; counts how often it is computed."""

    times = 0
    stepwise = True

    def forward(self, source):
        Counted.times += 1
        return source


def nest(depth, level=0):
    """A loop in a loop in a loop, each over the whole input."""
    unit = {"output": {"class": "linear", "n_out": 3, "from": ["x", "prev:output"]}}
    if level == depth - 1:
        unit["x"] = {"class": "counted", "from": "data:source"}
    else:
        unit["inner"] = {**nest(depth, level + 1)["output"], "from": "base:" * (level + 1) + "whole"}
        unit["x"] = {"class": "reduce", "mode": "mean", "axis": "T", "from": "inner"}
    return {"output": {"class": "rec", "from": "data", "unit": unit}, "whole": {"class": "copy", "from": "data"}}


def test_a_body_is_computed_a_few_times_however_deep():
    counts = []
    for depth in (1, 2, 3):
        model = tn.network(nest(depth), {"data": {"dim": 4}}, check=False)
        Counted.times = 0
        model.plan()
        counts.append(Counted.times)
    assert counts[0] <= 2 and counts[2] <= 2 * 3, counts


def test_of_a_circle_the_layer_is_named_that_is_wrong_and_not_the_one_that_reads_it():
    unit = {
        "state": {"class": "get_last_hidden_state", "from": "prev:s", "n_out": 6},
        "p": {"class": "linear", "from": "state", "n_out": 1, "activation": None},
        "part": {"class": "slice_nd", "from": "base:data", "start": "p", "size": 2},
        "mean": {"class": "reduce", "mode": "mean", "axis": "T", "from": "part"},
        "s": {"class": "rnn_cell", "unit": "LSTMBlock", "from": "mean", "n_out": 3},
        "output": {"class": "copy", "from": "s"},
    }
    net = {"output": {"class": "rec", "from": "data:classes", "unit": unit}}
    with pytest.raises(tn.TenureError, match="layer 'output/part' .*integer"):
        tn.network(net, {"data": {"dim": 4}, "classes": {"dim": 5, "sparse": True}}).plan()
