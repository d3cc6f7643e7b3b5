"""The states that recurrent layers start from, and those they leave."""

import numpy as np
import pytest

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
