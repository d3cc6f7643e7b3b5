"""Initial values that are matrices of a kind: orthogonal, identity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run.rng import next_rng_key
from tenure.initializers import samples
from tenure.initializers.simple import Shown


class Orthogonal(Shown):
    """An orthogonal matrix, uniformly distributed; orthonormal along the longer side if it is not square.

    Weights of more than two axes are taken as a matrix of `axis` and all the others.

    Source: Saxe et al. 2013, https://arxiv.org/abs/1312.6120; uniform by the sign rule of Mezzadri 2006,
    https://arxiv.org/abs/math-ph/0609050. Computed in single precision for the dtypes below it.

    Raises:
      ValueError: the shape has fewer than two axes.

    >>> import tenure as tn
    >>> model = tn.transform(lambda: tn.get_parameter("w", (4, 4), init=Orthogonal()))
    >>> w = model.init(jax.random.key(0))["~"]["w"]
    >>> bool(jnp.allclose(w @ w.T, jnp.eye(4), atol=1e-5))
    True
    """

    def __init__(self, scale: Any = 1.0, axis: int = -1):
        """Describes the distribution.

        Args:
          scale: what the matrix is multiplied with.
          axis: the axis of the outputs; the others together are the inputs.
        """
        self.scale, self.axis = scale, axis

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal initializer requires at least a 2D shape. It is {tuple(shape)}")
        rows = shape[self.axis]
        columns = math.prod(shape) // rows
        exact = jnp.promote_types(dtype, jnp.float32)  # LAPACK knows no smaller ones
        sample = samples.normal(next_rng_key(), (max(rows, columns), min(rows, columns)), exact)
        q, r = jnp.linalg.qr(sample)
        q = q * jnp.sign(jnp.diag(r))
        if rows < columns:
            q = q.T
        others = [size for axis, size in enumerate(shape) if axis != self.axis % len(shape)]
        q = jnp.moveaxis(q.reshape(rows, *others), 0, self.axis)
        return (jax.lax.convert_element_type(self.scale, exact) * q).astype(dtype)


class Identity(Shown):
    """The identity matrix in the last two axes, times `gain`.

    Raises:
      ValueError: the shape has fewer than two axes.

    >>> Identity(2.0)((2, 3), jnp.float32)
    Array([[2., 0., 0.],
           [0., 2., 0.]], dtype=float32)
    """

    def __init__(self, gain: Any = 1.0):
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: Any) -> jax.Array:
        if len(shape) < 2:
            raise ValueError(f"Identity initializer requires at least a 2D shape. It is {tuple(shape)}")
        eye = jnp.broadcast_to(jnp.eye(shape[-2], shape[-1], dtype=dtype), tuple(shape))
        return jax.lax.convert_element_type(self.gain, dtype) * eye
