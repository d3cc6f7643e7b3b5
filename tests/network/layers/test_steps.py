"""Layers over time that do one step of it at a time, in a loop: the same as on the whole sequence."""

import numpy as np
import pytest

from tenure import TenureError
from tenure.network import Dim
from tests.network.layers.running import KEEP, LENGTHS, X, run

RNN = {"s": {"class": "linear", "n_out": 5, "activation": "tanh", "from": ["data:source", "prev:s"]}}


def both(inside, whole, compiled=False):
    """A layer on the frames of `s` in the loop, and another on its sequence outside: [B, T, …] of both."""
    unit = {**RNN, "x": {"from": "s", **inside}, "s2": {"class": "copy", "from": "s", "is_output_layer": True}}
    unit["output"] = {"class": "copy", "from": "x"}
    net = {
        "rec": {"class": "rec", "from": "data", "unit": unit},
        "whole": {"from": "rec/s2", **whole, "is_output_layer": True},
        "output": {"class": "copy", "from": "rec"},
    }
    result, _ = run(net, compiled=compiled)
    return [np.asarray(result.outputs[k].batch_first().data) for k in ("output", "whole")]


@pytest.mark.parametrize("start", [None, "ones", 2.0])
def test_running_sums(start):
    more = {} if start is None else {"initial_output": start}
    inside, whole = both({"class": "cumsum", **more}, {"class": "cumsum", "axis": "T", **more})
    assert np.allclose(inside[KEEP], whole[KEEP], atol=1e-5)
    with pytest.raises(TenureError, match="reverse"):
        both({"class": "cumsum", "reverse": True}, {"class": "copy"})


def test_windows_of_the_past():
    inside, whole = both({"class": "window", "window_size": 3, "window_right": 0}, {"class": "copy"})
    padded = np.pad(whole, ((0, 0), (2, 0), (0, 0)))
    wanted = np.stack([padded[:, i : i + 6] for i in range(3)], axis=2)
    assert inside.shape == (3, 6, 3, 5) and np.allclose(inside[KEEP], wanted[KEEP], atol=1e-6)
    with pytest.raises(TenureError, match="window_right"):
        both({"class": "window", "window_size": 3}, {"class": "copy"})


@pytest.mark.parametrize("compiled", [False, True])
def test_attention_of_a_decoder_to_what_it_has_so_far(compiled):
    past = Dim(None, "past")
    unit = {
        **RNN,
        "past": {"class": "cum_concat", "from": "s", "out_spatial_dim": past},
        "energy": {"class": "dot", "from": ["s", "past"], "reduce": "F"},
        "weights": {"class": "softmax_over_spatial", "from": "energy", "axis": past},
        "s2": {"class": "copy", "from": "s", "is_output_layer": True},
        "output": {"class": "dot", "from": ["weights", "past"], "reduce": past},
    }
    net = {
        "rec": {"class": "rec", "from": "data", "unit": unit},
        "s": {"class": "copy", "from": "rec/s2", "is_output_layer": True},
        "output": {"class": "copy", "from": "rec"},
    }
    result, _ = run(net, compiled=compiled)
    found, s = (np.asarray(result.outputs[k].batch_first().data, np.float64) for k in ("output", "s"))
    for b, n in enumerate(LENGTHS):
        for t in range(n):
            e = np.exp(s[b, : t + 1] @ s[b, t])
            assert np.allclose(found[b, t], (e / e.sum()) @ s[b, : t + 1], atol=1e-5)


def test_what_is_so_far_outside_of_its_loop_has_a_length_for_each_step():
    past = Dim(None, "past")
    unit = {**RNN, "output": {"class": "cum_concat", "from": "s", "out_spatial_dim": past}}
    net = {"rec": {"class": "rec", "from": "data", "unit": unit}}
    net["output"] = {"class": "reduce", "mode": "sum", "axis": past, "from": "rec"}
    net["s"] = {"class": "rec", "from": "data", "unit": {**RNN, "output": {"class": "copy", "from": "s"}}}
    net["s"]["reuse_params"] = "rec"
    net["sums"] = {"class": "cumsum", "axis": "T", "from": "s", "is_output_layer": True}
    result, _ = run(net)
    found, wanted = (np.asarray(result.outputs[k].batch_first().data) for k in ("output", "sums"))
    assert found.shape == X.shape and np.allclose(found[KEEP], wanted[KEEP], atol=1e-5)
    with pytest.raises(TenureError, match="cum_concat"):
        run({"output": {"class": "cum_concat", "from": "data", "out_spatial_dim": past}})


def test_relative_positions_in_a_loop_and_moved_out_of_it():
    """Shifts of keys by their distance: step by step, and for all steps at once."""
    unit = {
        "rel": {"class": "relative_positional_encoding", "n_out": 2, "clipping": 2, "from": "data:source"},
        "att": {"class": "self_attention", "num_heads": 2, "total_key_dim": 4, "n_out": 4, "attention_left_only": True, "key_shift": "rel", "from": "data:source"},
        "output": {"class": "copy", "from": "att"},
    }  # fmt: skip
    found = []
    for moves in (True, False):
        net = {"output": {"class": "rec", "from": "data", "unit": unit, "optimize_move_layers_out": moves}}
        found.append(np.asarray(run(net)[0].outputs["output"].batch_first().data)[KEEP])
    assert np.allclose(*found, atol=1e-5) and np.abs(found[0]).max() > 0.1
