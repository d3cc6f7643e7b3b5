"""Layers that compute entry by entry."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.network import activations, ops
from tenure.network.layer import Layer, layer
from tenure.network.output import Output
from tenure.network.tensor import Tensor

Fn = Callable[..., jax.Array]


@layer("activation")
class Activation(Layer):
    """An activation function of the inputs."""

    def forward(self, source: Tensor, *, activation: Any) -> Output:
        return activations.apply(self, source, activation)


def _average(*xs: jax.Array) -> jax.Array:
    return functools.reduce(jnp.add, xs) / len(xs)


KINDS: dict[str, Fn] = {
    "add": lambda *xs: functools.reduce(jnp.add, xs),
    "sub": lambda *xs: functools.reduce(jnp.subtract, xs),
    "mul": lambda *xs: functools.reduce(jnp.multiply, xs),
    "truediv": lambda *xs: functools.reduce(jnp.true_divide, xs),
    "floordiv": lambda *xs: functools.reduce(jnp.floor_divide, xs),
    "mod": lambda *xs: functools.reduce(jnp.mod, xs),
    "pow": lambda *xs: functools.reduce(jnp.power, xs),
    "average": _average,
    "maximum": lambda *xs: functools.reduce(jnp.maximum, xs),
    "minimum": lambda *xs: functools.reduce(jnp.minimum, xs),
    "logical_and": lambda *xs: functools.reduce(jnp.logical_and, xs),
    "logical_or": lambda *xs: functools.reduce(jnp.logical_or, xs),
    "squared_difference": lambda a, b: jnp.square(a - b),
    "log_add_exp": lambda *xs: functools.reduce(jnp.logaddexp, xs),
}


@layer("combine")
class Combine(Layer):
    """Arithmetic of several inputs, entry by entry, over the dims of all.

    With `with_bias` there is a parameter `b` (features), added before the activation.
    """

    def forward(
        self,
        sources: Sequence[Tensor],
        *,
        kind: str,
        activation: Any = None,
        with_bias: bool = False,
        eval: Any = None,
        eval_locals: Any = None,
        eval_for_output_loss: bool = False,
        allow_broadcast_all_sources: bool | None = None,
    ) -> Output:
        if not sources:
            raise self.error("from", self.node.get("from"), "at least one input is needed")
        broadcast = True if self.node.get("out_shape") is not None else allow_broadcast_all_sources
        fn = KINDS.get(kind) if isinstance(kind, str) else None
        if fn is None:
            raise self.error("kind", kind, "there is no such operation", [", ".join(sorted(KINDS))])
        y = ops.mapn(fn, sources, broadcast_all=broadcast)
        if with_bias:
            b = self.param("b", (y.feature_dim,), 0.0)  # type: ignore[arg-type]
            y = y.like(y.data + b.reshape([-1 if i == y.feature_axis else 1 for i in range(y.ndim)]))
        return activations.apply(self, y, activation)
