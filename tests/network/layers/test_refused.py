"""What RETURNN refuses for good reasons is refused here too; expectations are facts of RETURNN's TensorFlow back end."""

import pytest

from tenure.core.errors import TenureError
from tenure.network import registry
from tenure.network.layers.refused import Refused
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


@pytest.mark.parametrize("name", ["upsample", "associative_lstm", "sampled_logits", "lstm2", "downsample"])
def test_classes_of_former_times_are_known_by_name(name):
    with pytest.raises(TenureError, match=f"'{name}' is refused: no RETURNN of today has it") as error:
        output({"class": name})
    assert "1. {'class'" in str(error.value)


@pytest.mark.parametrize("option", ["sampling", "ce_smoothing", "sprint_opts", "compute_priors", "prior_scale"])
def test_options_of_former_times_are_refused_with_a_reason(option):
    with pytest.raises(TenureError, match=rf"'{option}' is 1: .*(Theano|priors|Sprint)"):
        output({"class": "softmax", "n_out": 3, option: 1})


def test_all_classes_of_returnn_are_known():
    assert set(CLASSES.split()) <= set(registry.load())


CLASSES = """
    accumulate_mean activation alternating_real_to_complex apply_length_distribution batch_median_pooling batch_norm
    batch_softmax boolean_mask cast choice classes_to_length_distribution classes_to_length_distribution_global
    classes_to_segments combine combine_dims compare complex_linear_projection complex_to_alternating_real concat
    concat_attention cond constant conv copy ctc_loss cum_concat cumsum dct decide decide_keep_beam dot dot_attention
    dropout edit_distance edit_distance_table elemwise_prod eval expand_dims fast_bw fill_unused
    first_t_frames_noise_estimator flatten_batch flatten_time fold forced_align framewise_statistics gather gather_nd
    gating gauss_window_attention generic_attention get_last_hidden_state get_rec_accumulated global_train_step
    gradient hdf_dump identity image_summary istft kenlm layer_norm length linear loss mask_based_gevbeamforming
    mask_based_mvdrbeamforming masked_computation math_norm mel_filterbank merge_dims
    multichannel_multiresolution_stft_layer multichannel_stft_layer norm normalize_length_scores optimal_completions
    pad parametric_wiener_filter pool positional_encoding postfix_in_time prefix_in_time print rand_int random
    random_state_init range range_from_length range_in_axis rec reduce reduce_out reinterpret_data
    relative_positional_encoding remove repeat reshape resize rnn_cell scaled_grad scatter_nd search_sorted
    segment_alignment segment_input self_attention seq_len_mask shift_axis signal_masking slice slice_nd softmax
    softmax_over_spatial source sparse_softmax_cross_entropy_with_logits split split_batch_beam split_batch_time
    split_concatenated_multichannel split_dims squeeze stack stft subnetwork swap_axes swap_time_feature switch
    synthetic_gradient tikhonov_regularization tile tile_features time_chunking time_unchunking top_k train_flag
    transpose transposed_conv twod_lstm unflatten_batch unflatten_nd unmask unsegment_input variable variable_assign
    variable_read weighted_sum window
    choice_get_beam_scores choice_get_src_beams rec_last_output rec_unstack
"""


def test_every_class_says_its_axes():
    for name, cls in registry.load().items():
        if cls is not Refused and cls.__module__.startswith("tenure."):
            assert "utput" in cls.__doc__ or "[" in cls.__doc__, name


@pytest.mark.parametrize("name", ["segment_input", "kenlm", "mask_based_gevbeamforming", "fill_unused"])
def test_refused_classes_say_what_to_write_instead(name):
    with pytest.raises(TenureError, match=f"'{name}' is refused") as error:
        output({"class": name})
    assert "{'class'" in str(error.value) or "pipeline" in str(error.value)
