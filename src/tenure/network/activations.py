"""Activation functions as dictionaries write them: a name, an expression, or a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from tenure.network import ops
from tenure.network.output import Output
from tenure.network.quiet import leaves_padding_out, tame_activation, without_gradient
from tenure.network.tensor import Tensor
from tenure.network.tf import activation as named

if TYPE_CHECKING:
    from tenure.network.layer import Layer

_BY_FEATURE = {"softmax": False, "log_softmax": True}


def apply(layer: Layer, x: Tensor, activation: Any) -> Output:
    """`activation(x)`, and `x` itself for the loss."""
    if activation is None or activation in ("", "identity", "linear", "none", "None"):
        return Output(x)
    if isinstance(activation, str) and activation in _BY_FEATURE:
        _check_kind(layer, x, activation, jnp.float32)
        axis = x.feature_axis if x.feature_axis is not None else x.ndim - 1
        y = ops.softmax(x, (axis,), log=_BY_FEATURE[activation], use_mask=False)
        return Output(y, logits=x, activation=activation)
    fn = find(layer, activation)
    if not tame_activation(activation) and leaves_padding_out(layer):
        x = without_gradient(x)
    data = fn(x.data)
    _check_kind(layer, x, activation, data.dtype)
    return Output(x.like(data), logits=x, activation=activation if isinstance(activation, str) else None)


def _check_kind(layer: Layer, x: Tensor, activation: Any, dtype: Any) -> None:
    """Functions of real numbers want real numbers: an index's is a mistake."""
    if jnp.issubdtype(dtype, jnp.inexact) and not jnp.issubdtype(x.dtype, jnp.inexact):
        raise layer.error(
            "activation",
            activation,
            f"the input is {x!r}",
            ["before it:  {'class': 'cast', 'dtype': 'float32', …}", "an embedding:  {'class': 'linear', …}"],
        )


def find(layer: Layer, activation: Any) -> Any:
    """The function of an array that an activation's name or expression means."""
    if callable(activation):
        return activation
    if not isinstance(activation, str):
        raise layer.error("activation", activation, "the name of a function, or an expression, is needed", ["'tanh'"])
    return named(activation)
