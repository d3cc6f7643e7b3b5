"""What RETURNN refuses for good reasons is refused here too; expectations are facts of RETURNN's TensorFlow back end."""

import pytest

from tenure.core.errors import TenureError
from tests.network.layers.running import output, run

LABELS = "data:classes"
INTO_LABELS = {
    "prefix": {"class": "prefix_in_time", "prefix": 1.0},
    "prefix by default": {"class": "prefix_in_time"},
    "postfix": {"class": "postfix_in_time", "postfix": 2.0},
    "pad": {"class": "pad", "axes": "T", "padding": (1, 1), "value": 3.0},
    "shift": {"class": "shift_axis", "axis": "T", "amount": 2, "pad_value": 1.5},
    "split": {"class": "split_dims", "axis": "T", "dims": (-1, 4), "pad_value": 0.5},
    "compare": {"class": "compare", "kind": "greater", "value": 0.5},
}


@pytest.mark.parametrize("options", INTO_LABELS.values(), ids=INTO_LABELS)
def test_fractions_are_no_entries_of_integers(options):
    with pytest.raises(TenureError, match=r"int32"):
        output({**options, "from": LABELS})


@pytest.mark.parametrize("activation", ["tanh", "softmax", "exp"])
def test_functions_of_real_numbers_want_no_indices(activation):
    with pytest.raises(TenureError, match="activation"):
        output({"class": "activation", "activation": activation, "from": LABELS})


def test_integers_stay_what_they_are():
    found, _ = output({"class": "activation", "activation": "relu", "from": LABELS})
    assert found.dtype == "int32"


TOGETHER = {
    "combine": {"class": "combine", "kind": "add", "from": ["data", "other"]},
    "compare": {"class": "compare", "kind": "less", "from": ["other", "data"]},
    "copy": {"class": "copy", "from": ["data", "other"]},
    "concat": {"class": "concat", "from": [("data", "F"), ("other", "F")]},
    "eval": {"class": "eval", "eval": "source(0) + source(1)", "from": ["data", "other"]},
}


@pytest.mark.parametrize("options", TOGETHER.values(), ids=TOGETHER)
def test_inputs_of_different_dtypes(options):
    other = {"other": {"class": "cast", "dtype": "int32", "from": "data"}}
    with pytest.raises(TenureError, match="int32"):
        run({**other, "output": options})
    run({"other": {"class": "cast", "dtype": "float32", "from": "data"}, "output": options})


def test_logic_is_about_what_is_true():
    with pytest.raises(TenureError, match="true or false"):
        run({"output": {"class": "combine", "kind": "logical_and", "from": ["data", "data"]}})


def test_positions_need_a_number_of_features():
    with pytest.raises(TenureError, match="n_out"):
        output({"class": "positional_encoding"})
    assert output({"class": "positional_encoding", "n_out": 4})[0].shape[-1] == 4


def test_units_for_whole_sequences_are_no_steps():
    with pytest.raises(TenureError, match="whole sequences"):
        output({"class": "rnn_cell", "unit": "nativelstm2", "n_out": 3})


def test_the_first_native_lstm_starts_from_zeros():
    with pytest.raises(TenureError, match="initial_state"):
        output({"class": "rec", "unit": "nativelstm", "n_out": 3, "initial_state": "ones"})


def test_time_first_needs_time():
    mean = {"m": {"class": "reduce", "mode": "mean", "axis": "T", "from": "data"}}
    with pytest.raises(TenureError, match="time"):
        run({**mean, "output": {"class": "reinterpret_data", "enforce_time_major": True, "from": "m"}})


def test_parameters_have_fixed_sizes():
    everything = {"m": {"class": "merge_dims", "axes": ["T", "F"], "from": "data"}}
    with pytest.raises(TenureError, match="fixed size"):
        run({**everything, "output": {"class": "linear", "n_out": 3, "activation": None, "from": "m"}})


def test_a_softmax_over_positions_wants_no_number():
    with pytest.raises(TenureError, match="axis"):
        output({"class": "softmax_over_spatial", "axis": 1}, version=0)


@pytest.mark.parametrize("option", [{"forget_bias": 0.5}, {"cell_clip": 0.1}, {"activation": "relu"}])
def test_zoneout_is_all_that_its_unit_takes(option):
    with pytest.raises(TenureError, match="no option"):
        output({"class": "rec", "unit": "zoneoutlstm", "unit_opts": option, "n_out": 3})


WRONG = {
    "a range of fractions": ({"class": "range", "limit": 2.0, "delta": 0.5}, "whole numbers"),
    "no features": ({"class": "linear", "n_out": 0, "activation": None, "from": "data"}, "n_out"),
    "two sizes": (
        {"class": "linear", "n_out": 4, "out_type": {"dim": 5}, "activation": None, "from": "data"},
        "out_type",
    ),
    "an unknown target": ({"class": "copy", "target": "nope", "from": "data"}, "nope"),
    "a condition that is a number": (
        {"class": "switch", "condition": "data", "true_from": "data", "false_from": "data"},
        "condition",
    ),
    "a loss for each entry": (
        {"class": "loss", "loss_": "bin_ce", "target_": "layer:data", "from": "data"},
        "each frame",
    ),
}


@pytest.mark.parametrize(("options", "says"), WRONG.values(), ids=WRONG)
def test_what_makes_no_sense(options, says):
    with pytest.raises(TenureError, match=says):
        run({"output": options})
