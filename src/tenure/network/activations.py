"""Activation functions as dictionaries write them: a name, an expression, or a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenure.network import ops
from tenure.network.output import Output
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
        axis = x.feature_axis if x.feature_axis is not None else x.ndim - 1
        y = ops.softmax(x, (axis,), log=_BY_FEATURE[activation], use_mask=False)
        return Output(y, logits=x, activation=activation)
    fn = find(layer, activation)
    return Output(x.like(fn(x.data)), logits=x, activation=activation if isinstance(activation, str) else None)


def find(layer: Layer, activation: Any) -> Any:
    """The function of an array that an activation's name or expression means."""
    if callable(activation):
        return activation
    if not isinstance(activation, str):
        raise layer.error("activation", activation, "the name of a function, or an expression, is needed", ["'tanh'"])
    return named(activation)
