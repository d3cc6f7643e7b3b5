"""What is wrong with a layer is told with its name and the option."""

import pytest

from tenure import TenureError
from tests.network.layers.running import output


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
