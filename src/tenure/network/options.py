"""The options that every layer takes."""

from __future__ import annotations

_WORDS = """
    class from n_out out_dim out_type out_shape in_dim
    dropout dropout_axis dropout_noise_shape dropout_on_forward mask
    loss target loss_scale loss_opts loss_only_on_non_search size_target copy_output_loss_from_source_idx
    L2 darc1 spatial_smoothing batch_norm
    param_variational_noise param_dropout param_dropout_min_ndim param_device trainable updater_opts
    share stages reuse_params name_scope custom_param_importer load_on_init
    initial_output need_last is_output_layer only_on_eval only_on_search register_as_extern_data
    control_dependencies_on_output collocate_with encapsulate debug_print_layer_output rec_previous_layer
    state initial_state extra_deps control_flow_ctx cheating name
"""
GENERIC = frozenset(_WORDS.split())
"""What `forward` need not list. Some are instructions to a training program, and say nothing about the values."""

_THEANO = "an option of RETURNN's Theano back end, which is gone"
_PRIORS = "priors are computed by the training tool (task 'compute_priors'), and subtracted by a layer"
_SPRINT = "it configures a running RASR (Sprint) process, which is not part of this program"
FORMER = {
    "sampling": f"{_THEANO}: what a choice samples from is 'scheduled_sampling'",
    "ce_smoothing": f"{_THEANO}: 'loss_opts': {{'label_smoothing': …}} smooths targets",
    "ce_target_layer_align": _THEANO,
    "sprint_opts": _SPRINT,
    "fast_bw_opts": _SPRINT,
    "compute_priors": _PRIORS,
    "compute_priors_exp_average": _PRIORS,
    "compute_priors_accumulate_batches": _PRIORS,
    "prior_scale": f"{_PRIORS}: {{'class': 'combine', 'kind': 'eval', …}}",
    "am_scale": f"{_THEANO}: {{'class': 'eval', 'eval': 'source(0) * …'}}",
    "log_prior": _PRIORS,
    "attention": f"{_THEANO}: attention is made of layers",
    "attention_glimpse": f"{_THEANO}: attention is made of layers",
    "recurrent_transform": f"{_THEANO}: attention is made of layers",
    "encoder": f"{_THEANO}: 'initial_state' of a 'rec' layer",
    "n_dec": f"{_THEANO}: 'max_seq_len' of a 'rec' layer",
    "batch_drop": _THEANO,
    "carry": f"{_THEANO}: the units 'rhn' and 'highway' carry",
    "carry_time": f"{_THEANO}: the units 'rhn' and 'highway' carry",
    "compile": _THEANO,
    "copy_input": f"{_THEANO}: 'from'",
    "copy_output": f"{_THEANO}: 'from'",
    "cost_scale": f"{_THEANO}: 'loss_scale'",
    "depth": _THEANO,
    "dtype_in": _THEANO,
    "exp_normalize": _THEANO,
    "gamma": f"{_THEANO}: 'loss_opts': {{'focal_loss_factor': …}}",
    "grad_clip_z": f"{_THEANO}: the training program clips gradients",
    "grad_discard_out_of_bound_z": f"{_THEANO}: the training program clips gradients",
    "load_from": "an option of an earlier RETURNN: 'load_on_init' names the checkpoint",
    "psize": _THEANO,
    "reverse": f"{_THEANO}: 'direction': -1",
    "seq_weight_layer": _THEANO,
    "sharpgates": _THEANO,
    "sparse_filtering": _THEANO,
    "substitute_param_expr": f"{_THEANO}: 'reuse_params'",
    "truncation": f"{_THEANO}: the training program cuts sequences ('chunking')",
    "use_label_years": _THEANO,
    "varreg": f"{_THEANO}: 'param_variational_noise'",
}
"""Options that dictionaries of former times have, and why they are refused."""
FORMER_DEFAULTS = {"sampling": 1}
"""Values of such options that change nothing."""

REFERENCES = (
    "target",
    "initial_output",
    "state",
    "initial_state",
    "size_target",
    "extra_deps",
    "reuse_params",
    "loss_opts",
)
"""Generic options that may name layers."""
