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


@pytest.mark.parametrize("name", ["upsample", "associative_lstm", "sampled_logits", "lstm2", "downsample"])
def test_classes_of_former_times_are_known_by_name(name):
    with pytest.raises(TenureError, match=f"'{name}' is refused: no RETURNN of today has it") as error:
        output({"class": name})
    assert "1. {'class'" in str(error.value)


@pytest.mark.parametrize("option", ["sampling", "ce_smoothing", "sprint_opts", "compute_priors", "prior_scale"])
def test_options_of_former_times_are_refused_with_a_reason(option):
    with pytest.raises(TenureError, match=rf"'{option}' is 2: .*(Theano|priors|Sprint)"):
        output({"class": "softmax", "n_out": 3, option: 2})


def test_an_option_of_former_times_with_a_value_that_changes_nothing_is_taken():
    assert output({"class": "softmax", "n_out": 3, "sampling": 1})[0].shape[-1] == 3


@pytest.mark.parametrize("name", ["segment_input", "kenlm", "mask_based_gevbeamforming", "fill_unused"])
def test_refused_classes_say_what_to_write_instead(name):
    with pytest.raises(TenureError, match=f"'{name}' is refused") as error:
        output({"class": name})
    assert "{'class'" in str(error.value) or "pipeline" in str(error.value)
