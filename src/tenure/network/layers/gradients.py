"""Layers that change gradients, and leave outputs as they are."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run import transformations as lifting
from tenure.network import ops
from tenure.network.layer import Layer, layer
from tenure.network.tensor import Tensor


@jax.custom_vjp
def replaced(x: jax.Array, gradient: jax.Array) -> jax.Array:
    """`x`, whose gradient is to be `gradient`, whatever comes back."""
    return x


replaced.defvjp(lambda x, gradient: (x, gradient), lambda gradient, _: (gradient, jnp.zeros_like(gradient)))


@jax.custom_vjp
def scaled(x: jax.Array, scale: Any, shift: Any) -> jax.Array:
    """`x`, whose gradient is to be scaled and shifted."""
    return x


scaled.defvjp(
    lambda x, scale, shift: (x, (scale, shift)),
    lambda kept, g: (
        jnp.broadcast_to(g * kept[0] + kept[1], g.shape),
        jnp.zeros_like(kept[0]),
        jnp.zeros_like(kept[1]),
    ),
)


@layer("scaled_grad")
class ScaledGradient(Layer):
    """The input, with a gradient that is scaled: 0 stops it, a negative scale reverses it.

    Source of reversal: Ganin & Lempitsky 2014, https://arxiv.org/abs/1409.7495.

    Input of any axes, output the same axes.
    """

    def forward(
        self,
        source: Tensor,
        *,
        scale: Tensor | float,
        shift: Tensor | float | None = None,
        scale_shift_by_sum_over_axis: Any = None,
        clip_max_axis: Any = None,
    ) -> Tensor:
        for option, value in (
            ("scale_shift_by_sum_over_axis", scale_shift_by_sum_over_axis),
            ("clip_max_axis", clip_max_axis),
        ):
            if value is not None:
                raise self.error(option, value, "gradients are scaled by numbers only here")
        if shift is None and not isinstance(scale, Tensor) and scale == 0:
            return source.like(jax.lax.stop_gradient(source.data))
        by, to = (self._number(source, v) for v in (scale, 0.0 if shift is None else shift))
        return source.like(scaled(source.data, by, to))

    def _number(self, x: Tensor, value: Any) -> jax.Array:
        found = ops.aligned(value, x.dims) if isinstance(value, Tensor) else jnp.asarray(value)
        return jax.lax.stop_gradient(found.astype(x.dtype))


@layer("synthetic_gradient")
class SyntheticGradient(Layer):
    """The input, whose gradient another layer predicts: Jaderberg et al. 2016, https://arxiv.org/abs/1608.05343.

    The loss that teaches the prediction needs the true gradient, which exists only during the backward pass: it is the training
    program's task, and no term of the network's objective.

    Input of any axes, `gradient` the same ones, output the same axes.
    """

    def forward(self, source: Tensor, *, gradient: Tensor, meta_loss_scale: float = 1.0) -> Tensor:
        predicted = jnp.broadcast_to(ops.aligned(gradient, source.dims), source.shape)
        return source.like(replaced(source.data, predicted))


@layer("gradient")
class Gradient(Layer):
    """The gradient of a number `y` by `x`; the layers between them are computed once more for it.

    `y` a scalar, `x` any axes, output the axes of `x`.
    """

    def forward(self, *, y: Tensor, x: Tensor) -> Tensor:
        if y.ndim:
            raise self.error("y", self.node.get("y"), f"one number is needed, not {y!r}")
        between = self._between(self.node.refs["x"], self.node.refs["y"])
        outputs = self.run.outputs

        def value(data: jax.Array) -> jax.Array:
            kept = dict(outputs)
            try:
                outputs[self.node.refs["x"]] = kept[self.node.refs["x"]].with_tensor(x.like(data))
                for key in between:
                    outputs[key] = self.run.layers[key]()
                return outputs[self.node.refs["y"]].tensor.data
            finally:
                outputs.update(kept)

        return x.like(lifting.grad(value)(x.data))

    def _between(self, first: str, last: str) -> list[str]:
        """The layers that depend on the first and that the last depends on, in order."""
        nodes = self.run.graph.nodes
        after = {first}
        for key, node in nodes.items():
            if any(d in after for d in node.deps):
                after.add(key)
        before = {last}
        for key in reversed(list(nodes)):
            if key in before:
                before.update(nodes[key].deps)
        if last not in after:
            raise self.error("y", self.node.get("y"), f"it does not depend on '{first}'")
        return [key for key in nodes if key in after and key in before and key != first]


@layer("tikhonov_regularization")
class TikhonovRegularization(Layer):
    """The input. The loss on the size of its gradient is the training program's task.

    The parameter `dummy` has no effect; RETURNN's checkpoints have it.

    Input of any axes, output the same axes.
    Source: Bishop 1995, "Training with noise is equivalent to Tikhonov regularization".
    """

    def forward(self, source: Tensor, *, meta_loss_scale: float = 1.0) -> Tensor:
        dummy = self.param("dummy", (), 0.0)
        return source.like(source.data + 0 * dummy)
