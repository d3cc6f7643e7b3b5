"""Gradients of rows of a matrix, place by place: a row that is read twice has two gradients, before they are added.

TensorFlow keeps the gradient of such a matrix so, and RETURNN clips it so.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Probe:
    """What is to be done with the gradients of one matrix, and learnt of them.

    Attributes:
      limit: the largest absolute value of a gradient.
      squares: two zeros; their gradient is the sum of squares of the gradients before they are limited, and after.
    """

    limit: Any
    squares: Any

    @classmethod
    def of(cls, limit: float = 0.0) -> Probe:
        """A probe that limits gradients; 0: that does not."""
        return cls(jnp.asarray(limit or jnp.inf, jnp.float32), jnp.zeros(2))


@jax.custom_vjp
def probed(rows: jax.Array, limit: jax.Array, squares: jax.Array) -> jax.Array:
    """The rows that were read, as they are.

    Args:
      rows: [..., features].
      limit, squares: of a `Probe`.
    """
    return rows


def _backward(limit: jax.Array, gradient: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    limited = jnp.clip(gradient, -limit, limit).astype(gradient.dtype)
    sums = [jnp.sum(jnp.square(g.astype(jnp.float32))) for g in (gradient, limited)]
    return limited, jnp.zeros_like(limit), jnp.stack(sums)


probed.defvjp(lambda rows, limit, squares: (rows, limit), _backward)
