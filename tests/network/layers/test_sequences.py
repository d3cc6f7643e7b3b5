"""Layers on sequences, against numpy, sequence by sequence."""

import numpy as np
import pytest

from tenure import TenureError
from tests.network.layers.running import LABELS, LENGTHS, X, output, run


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("unit", ["nativelstm2", "gru"])
def test_recurrent_layers_see_their_own_sequence_only(unit, direction):
    net = {"x": {"class": "rec", "unit": unit, "n_out": 3, "direction": direction, "from": "data"}}
    result, _ = run(net)
    for b, n in enumerate(LENGTHS):
        alone = {"data": (X[b : b + 1, :n], LENGTHS[b : b + 1]), "classes": (LABELS[b : b + 1, :n], LENGTHS[b : b + 1])}
        single = run(net, batch=alone)[0].outputs["x"]
        assert np.allclose(result.outputs["x"].data[:n, b], single.data[:, 0], atol=1e-5)


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


def test_programs_serve_other_lengths():
    net = {
        "r": {"class": "rec", "unit": "nativelstm2", "n_out": 3, "from": "data"},
        "p": {"class": "postfix_in_time", "postfix": 1.0, "from": "r"},
        "output": {"class": "softmax", "n_out": 4, "from": "r", "loss": "ce"},
        "s": {"class": "slice_nd", "size": 2, "start": 1, "from": "p", "is_output_layer": True},
    }
    plain, compiled = run(net)[0], run(net, compiled=True)[0]
    for name in ("output", "s"):
        assert np.allclose(plain.outputs[name].data, compiled.outputs[name].data, atol=1e-5)
    assert float(compiled.losses["output"].loss) == pytest.approx(float(plain.losses["output"].loss), rel=1e-5)


@pytest.mark.parametrize(
    "options, word",
    [
        ({"class": "rec", "unit": "lstmm", "n_out": 3}, "lstm"),
        ({"class": "rec", "unit": "lstm", "n_out": 3, "direction": 2}, "direction"),
        ({"class": "window", "window_size": 0}, "window_size"),
        ({"class": "gather", "axis": "T", "position": True}, "position"),
        ({"class": "shift_axis", "axis": "T", "amount": 0}, "amount"),
        ({"class": "time_chunking", "chunk_size": 4, "chunk_step": 0}, "chunk_step"),
        ({"class": "softmax", "n_out": 4, "loss": "cee"}, "ce"),
        ({"class": "softmax", "n_out": 4, "loss": "ce", "loss_opts": {"focal_loss": 1}}, "focal_loss_factor"),
        ({"class": "softmax", "n_out": 5, "loss": "ce"}, "n_out"),
        ({"class": "linear", "n_out": 5, "loss": "l1"}, "mse"),
        ({"class": "masked_computation", "mask": "data:classes", "unit": {"class": "copy", "from": "data"}}, "mask"),
    ],
)
def test_errors_name_the_layer_and_what_is_wrong(options, word):
    with pytest.raises(TenureError) as error:
        output(options)
    assert "'x" in str(error.value) and word in str(error.value)


IGNORED_BEFORE = [
    ({"class": "self_attention", "num_heads": 1, "total_key_dim": 4, "n_out": 4}, "restrict_state_to_last_seq", True),
    ({"class": "self_attention", "num_heads": 1, "total_key_dim": 4, "n_out": 4}, "initial_state", "data"),
    ({"class": "rec", "unit": "lstm", "n_out": 3}, "max_seq_len_via", "data"),
]


@pytest.mark.parametrize(("entry", "option", "value"), IGNORED_BEFORE)
def test_an_option_that_a_layer_does_not_do_is_an_error_that_names_it(entry, option, value):
    output(entry)
    with pytest.raises(TenureError, match=option):
        output({**entry, option: value})
