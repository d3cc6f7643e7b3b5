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
