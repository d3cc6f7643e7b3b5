"""What happens to gradients before an optimizer sees them: noise, clipping, and filters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

Tree = Any


@dataclasses.dataclass(frozen=True)
class Clipping:
    """What a config asks for.

    Attributes:
      gradient_noise: the variance of normal noise in the first step; it gets less with the steps.
      gradient_clip: the largest absolute value.
      gradient_clip_norm: the largest norm of one parameter's gradient.
      gradient_clip_avg_norm: the largest norm divided by the number of values.
      gradient_clip_global_norm: the largest norm of all gradients together, before they are clipped one by one.
      gradient_nan_inf_filter: whether NaN and infinity become zero.
      grad_norm_to_clip_to_zero: all gradients become zero if their norm is larger.
    """

    gradient_noise: float = 0.0
    gradient_clip: float = 0.0
    gradient_clip_norm: float = 0.0
    gradient_clip_avg_norm: float = 0.0
    gradient_clip_global_norm: float = 0.0
    gradient_nan_inf_filter: bool = False
    grad_norm_to_clip_to_zero: float = 0.0

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Clipping:
        """Those of a config, or of a layer's `updater_opts`."""
        fields: dict[str, Any] = {f.name: f.default for f in dataclasses.fields(cls)}
        return cls(**{name: type(default)(config.get(name) or default) for name, default in fields.items()})

    @property
    def by_occurrence(self) -> bool:
        """Whether it makes a difference to the gradient of an embedding that RETURNN clips it before the gradients of equal rows are added."""
        of_values = (
            self.gradient_clip,
            self.gradient_clip_norm,
            self.gradient_clip_global_norm,
            self.grad_norm_to_clip_to_zero,
        )
        return any(of_values) and not self.gradient_noise

    def __call__(
        self,
        grads: Tree,
        key: jax.Array | None = None,
        step: Any = 0,
        norm: Any = None,
        squares: Mapping[Any, Any] | None = None,
    ) -> Tree:
        """The gradients after all that.

        Args:
          grads: a tree of them.
          key: for noise.
          step: how many steps there were.
          norm: of all gradients of the step, those of other layers included; that of `grads` if it is not given.
          squares: for those of `grads`, a dict, whose values were clipped already, the sum of squares of what was clipped.

        >>> float(Clipping(gradient_clip=0.5)(jnp.float32(-2)))
        -0.5
        """
        norm = optax.tree.norm(grads) if norm is None else norm  # as gradients come, whatever else is done to them
        if self.grad_norm_to_clip_to_zero:
            small = norm <= self.grad_norm_to_clip_to_zero
            grads = jax.tree.map(lambda g: jnp.where(small, g, 0), grads)
        if self.gradient_noise and key is not None:
            grads = _noisy(grads, key, self.gradient_noise, step)
        apart = {path: grads[path] for path in squares or {}}
        if self.gradient_clip:
            grads = jax.tree.map(lambda g: jnp.clip(g, -self.gradient_clip, self.gradient_clip), grads)
        if self.gradient_clip_norm:
            grads = jax.tree.map(lambda g: _within(g, jnp.linalg.norm(g.ravel()), self.gradient_clip_norm), grads)
            apart = {p: _within(g, jnp.sqrt((squares or {})[p]), self.gradient_clip_norm) for p, g in apart.items()}
        grads = {**grads, **apart} if apart else grads
        if self.gradient_clip_avg_norm:
            limit = self.gradient_clip_avg_norm
            grads = jax.tree.map(lambda g: _within(g, jnp.linalg.norm(g.ravel()) / g.size, limit), grads)
        if self.gradient_clip_global_norm:
            grads = jax.tree.map(lambda g: _within(g, norm, self.gradient_clip_global_norm), grads)
        if self.gradient_nan_inf_filter:
            grads = jax.tree.map(lambda g: jnp.where(jnp.isfinite(g), g, 0), grads)
        return grads


def _within(grad: jax.Array, norm: jax.Array, limit: float) -> jax.Array:
    return grad * (limit / jnp.maximum(norm, limit))


def _noisy(grads: Tree, key: jax.Array, variance: float, step: Any) -> Tree:
    leaves, structure = jax.tree.flatten(grads)
    deviation = jnp.sqrt(variance / (1.0 + step) ** 0.55)
    keys = jax.random.split(key, len(leaves))
    return jax.tree.unflatten(
        structure, [g + deviation * jax.random.normal(k, g.shape, g.dtype) for g, k in zip(leaves, keys, strict=True)]
    )
