"""The states that recurrent layers start from, and those they leave."""

import jax
import numpy as np
import pytest

import tenure as tn
from tenure.core.errors import TenureError
from tests.network.layers.running import LENGTHS, output, run


def test_states_go_from_layer_to_layer():
    net = {
        "a": {"class": "rec", "unit": "nativelstm2", "n_out": 3, "from": "data"},
        "s": {"class": "get_last_hidden_state", "key": "c", "n_out": 3, "from": "a"},
        "h": {"class": "get_last_hidden_state", "key": "h", "n_out": 3, "from": "a"},
        "b": {"class": "rec", "unit": "nativelstm2", "n_out": 3, "from": "data", "initial_state": {"c": "s", "h": "h"}},
        "c": {
            "class": "rec",
            "unit": "nativelstm2",
            "n_out": 3,
            "from": "data",
            "initial_state": "a",
            "reuse_params": "b",
        },
        "output": {"class": "copy", "from": ["b", "c"]},
    }
    outputs = run(net)[0].outputs
    last = np.asarray(outputs["a"].data)[LENGTHS - 1, np.arange(3)]
    assert np.allclose(outputs["h"].data, last, atol=1e-6)
    assert np.allclose(outputs["b"].data, outputs["c"].data, atol=1e-6)


def test_the_first_native_lstm_starts_from_zeros():
    with pytest.raises(TenureError, match="initial_state"):
        output({"class": "rec", "unit": "nativelstm", "n_out": 3, "initial_state": "ones"})


def test_a_learned_start_is_named_after_where_the_cell_runs():
    """RETURNN's names: below `rec/` where the cell is moved out of the loop, beside it where it runs in each step."""
    cell = {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 3, "initial_state": {"c": "var", "h": "zeros"}}
    body = {
        "out": {**cell, "from": "data:source"},
        "in": {**cell, "from": ["data:source", "prev:in"]},
        "output": {"class": "copy", "from": ["in", "out"]},
    }
    params = run({"output": {"class": "rec", "from": "data", "unit": body}})[1]
    names = {f"{m}/{n}" for m, of in params.items() for n in of if n.startswith(("initial", "rec/initial"))}
    assert names == {"output/rec/out/rec/initial_c", "output/rec/in/initial_c"}


@pytest.mark.parametrize("unit", ["lstm", "gru"])
@pytest.mark.parametrize("wrong", ["data", "sequence"])
def test_a_start_that_does_not_fit_names_the_option(unit, wrong):
    start = (
        {"class": "reduce", "mode": "mean", "axes": "T", "from": "data"}
        if wrong == "data"
        else {"class": "linear", "n_out": 3, "from": "data"}
    )
    loop = {"class": "rec", "unit": unit, "n_out": 3, "from": "data"}
    given = {"c": "start", "h": "start"} if unit == "lstm" else "start"
    with pytest.raises(TenureError, match="'output' .rec.: option 'initial_state' is .*no state of"):
        run({"start": start, "output": {**loop, "initial_state": given}})


@pytest.mark.parametrize("inputs", ["data:source", ["data:source", "prev:x"]])
def test_a_cell_in_a_loop_keeps_its_state_for_the_next_batch_wherever_it_runs(inputs):
    """Each step goes on from the one before; the next batch from the last step within each sequence."""
    cell = {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 3, "from": inputs, "initial_state": "keep_over_epoch"}
    x = np.random.RandomState(0).randn(2, 6, 4).astype("float32")
    found = []
    for moved in (True, False):
        loop = {
            "class": "rec",
            "from": "data",
            "unit": {"x": cell, "output": {"class": "copy", "from": "x"}},
            "optimize_move_layers_out": moved,
        }
        net = tn.network({"output": loop}, {"data": {"dim": 4}})
        params, state = net.init(jax.random.key(0), {"data": (x[:, :3], np.array([3, 3]))})

        def chunk(state, a, b, lengths, net=net, params=params):
            result, state = net.apply(params, state, None, {"data": (x[:, a:b], np.array(lengths))})
            return np.asarray(result.outputs["output"].data), state

        first, later = chunk(state, 0, 3, [3, 2])
        second, last = chunk(later, 3, 6, [3, 3])
        kept = {name: np.asarray(v) for of in last.values() for name, v in of.items()}
        assert {v.shape for v in kept.values()} == {(2, 3)}
        if inputs == "data:source":
            whole, _ = chunk(state, 0, 6, [6, 6])
            np.testing.assert_allclose(second[:, 0], whole[3:, 0], atol=1e-6)
        other = np.concatenate([x[1, :2], x[1, 3:]])[None]
        alone = np.asarray(net.apply(params, state, None, {"data": (other, np.array([5]))})[0].outputs["output"].data)
        if inputs == "data:source":
            np.testing.assert_allclose(second[:, 1], alone[2:, 0], atol=1e-6)
        found.append((first[:2], second, kept))
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-6)
    for name, value in found[0][2].items():
        np.testing.assert_allclose(value, found[1][2][name], atol=1e-6)
