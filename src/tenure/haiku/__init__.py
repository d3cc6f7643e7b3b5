"""Haiku's public API on Tenure's core: `import tenure.haiku as hk`.

Names, signatures, parameter names and, from the same key, initial values are Haiku's. Every model also has a ledger
(`model.plan(x).ledger`), every `transform` takes `ties=`, and every module takes `share=`.
"""

from __future__ import annotations

import importlib
from typing import Any

from tenure.core.errors import MissingRNGError, NonEmptyStateError
from tenure.core.model.transform import Transformed, TransformedWithState
from tenure.core.run.hooks import MethodContext
from tenure.core.run.module import Module, to_module
from tenure.core.run.naming import force_name, name_like, transparent
from tenure.haiku import (
    config,
    data_structures,
    experimental,
    initializers,
    mixed_precision,
    nets,
    ownership,
    pad,
    testing,
)
from tenure.haiku.attention import MultiHeadAttention
from tenure.haiku.chance import dropout
from tenure.haiku.engine.contexts import DO_NOT_STORE, GetterContext, SetterContext
from tenure.haiku.engine.declared import declare_global_parameter, get_global_parameter
from tenure.haiku.engine.deferred import Deferred
from tenure.haiku.engine.frames import JaxUsageError
from tenure.haiku.engine.jaxing import eval_shape, grad, remat, value_and_grad, vmap
from tenure.haiku.engine.keys import PRNGSequence
from tenure.haiku.engine.lifting import (
    LiftWithStateUpdater,
    lift,
    lift_with_state,
    transparent_lift,
    transparent_lift_with_state,
)
from tenure.haiku.engine.loops import cond, fori_loop, map, scan, switch, while_loop
from tenure.haiku.engine.multi import (
    MultiTransformed,
    MultiTransformedWithState,
    multi_transform,
    multi_transform_with_state,
    without_apply_rng,
)
from tenure.haiku.engine.naming import name_scope
from tenure.haiku.engine.public import (
    current_name,
    custom_creator,
    custom_getter,
    custom_setter,
    get_current_state,
    get_initial_state,
    get_parameter,
    get_params,
    get_state,
    intercept_methods,
    maybe_get_rng_sequence_state,
    maybe_next_rng_key,
    next_rng_key,
    next_rng_keys,
    replace_rng_sequence_state,
    reserve_rng_keys,
    set_state,
    with_rng,
)
from tenure.haiku.engine.stack import LayerStackTransparencyMapping, layer_stack
from tenure.haiku.engine.transforms import (
    running_init,
    transform,
    transform_with_state,
    with_empty_state,
    without_state,
)
from tenure.haiku.importing import install, uninstall
from tenure.haiku.recurrent import LSTM
from tenure.haiku.typing import ModuleProtocol, MutableParams, MutableState, Params, State, SupportsCall
from tenure.haiku.unroll import dynamic_unroll
from tenure.nn import (
    GRU,
    AvgPool,
    BatchApply,
    BatchNorm,
    Bias,
    Conv1D,
    Conv1DLSTM,
    Conv1DTranspose,
    Conv2D,
    Conv2DLSTM,
    Conv2DTranspose,
    Conv3D,
    Conv3DLSTM,
    Conv3DTranspose,
    ConvND,
    ConvNDTranspose,
    DeepRNN,
    DepthwiseConv1D,
    DepthwiseConv2D,
    DepthwiseConv3D,
    EMAParamsTree,
    Embed,
    EmbedLookupStyle,
    ExponentialMovingAverage,
    Flatten,
    GroupNorm,
    IdentityCore,
    InstanceNorm,
    LayerNorm,
    Linear,
    LSTMState,
    MaxPool,
    ResetCore,
    Reshape,
    RMSNorm,
    RNNCore,
    SeparableDepthwiseConv2D,
    Sequential,
    SNParamsTree,
    SpectralNorm,
    VanillaRNN,
    avg_pool,
    deep_rnn_with_skip_connections,
    expand_apply,
    get_channel_index,
    max_pool,
    multinomial,
    one_hot,
    static_unroll,
)

# What Haiku does not export, and what programs and tests of Haiku use all the same.
_INTERNAL = {
    "ConvNDLSTM": "nn",
    "FlatMap": "haiku.flat_map",
    "FlatMapping": "haiku.flat_map",
    "StatePair": "haiku.engine.frames",
    "compute_adjusted_padding": "nn.conv_transpose",
    "difference": "haiku.engine.contexts_outside",
    "get_original_fn": "haiku.engine.transforms",
    "internal_state": "haiku.engine.contexts_outside",
    "jit": "haiku.engine.jaxing",
    "new_context": "haiku.engine.contexts_outside",
    "params_frozen": "haiku.engine.contexts_outside",
    "replicate": "nn.padding",
}


def __getattr__(name: str) -> Any:
    if name == "to_dot":  # loaded when it is asked for
        return experimental.to_dot
    if name in _INTERNAL:
        return getattr(importlib.import_module(f"tenure.{_INTERNAL[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "DO_NOT_STORE",
    "GRU",
    "LSTM",
    "AvgPool",
    "BatchApply",
    "BatchNorm",
    "Bias",
    "Conv1D",
    "Conv1DLSTM",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DLSTM",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DLSTM",
    "Conv3DTranspose",
    "ConvND",
    "ConvNDTranspose",
    "DeepRNN",
    "Deferred",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "DepthwiseConv3D",
    "EMAParamsTree",
    "Embed",
    "EmbedLookupStyle",
    "ExponentialMovingAverage",
    "Flatten",
    "GetterContext",
    "GroupNorm",
    "IdentityCore",
    "InstanceNorm",
    "JaxUsageError",
    "LSTMState",
    "LayerNorm",
    "LayerStackTransparencyMapping",
    "LiftWithStateUpdater",
    "Linear",
    "MaxPool",
    "MethodContext",
    "MissingRNGError",
    "Module",
    "ModuleProtocol",
    "MultiHeadAttention",
    "MultiTransformed",
    "MultiTransformedWithState",
    "MutableParams",
    "MutableState",
    "NonEmptyStateError",
    "PRNGSequence",
    "Params",
    "RMSNorm",
    "RNNCore",
    "ResetCore",
    "Reshape",
    "SNParamsTree",
    "SeparableDepthwiseConv2D",
    "Sequential",
    "SetterContext",
    "SpectralNorm",
    "State",
    "SupportsCall",
    "Transformed",
    "TransformedWithState",
    "VanillaRNN",
    "avg_pool",
    "cond",
    "config",
    "current_name",
    "custom_creator",
    "custom_getter",
    "custom_setter",
    "data_structures",
    "declare_global_parameter",
    "deep_rnn_with_skip_connections",
    "dropout",
    "dynamic_unroll",
    "eval_shape",
    "expand_apply",
    "experimental",
    "force_name",
    "fori_loop",
    "get_channel_index",
    "get_current_state",
    "get_global_parameter",
    "get_initial_state",
    "get_parameter",
    "get_params",
    "get_state",
    "grad",
    "initializers",
    "install",
    "intercept_methods",
    "layer_stack",
    "lift",
    "lift_with_state",
    "map",
    "max_pool",
    "maybe_get_rng_sequence_state",
    "maybe_next_rng_key",
    "mixed_precision",
    "multi_transform",
    "multi_transform_with_state",
    "multinomial",
    "name_like",
    "name_scope",
    "nets",
    "next_rng_key",
    "next_rng_keys",
    "one_hot",
    "ownership",
    "pad",
    "remat",
    "replace_rng_sequence_state",
    "reserve_rng_keys",
    "running_init",
    "scan",
    "set_state",
    "static_unroll",
    "switch",
    "testing",
    "to_dot",
    "to_module",
    "transform",
    "transform_with_state",
    "transparent",
    "transparent_lift",
    "transparent_lift_with_state",
    "uninstall",
    "value_and_grad",
    "vmap",
    "while_loop",
    "with_empty_state",
    "with_rng",
    "without_apply_rng",
    "without_state",
]
