"""Distributions by TensorFlow's names: `tf.compat.v1.distributions`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from tenure.network import bounds
from tenure.network.tf.random import key
from tenure.network.tf.static import dtype_of, shape_of


class Distribution:
    """Numbers that are drawn independently, one for each entry of the parameters.

    Args:
      parameters: arrays of one shape, or of shapes that broadcast.
      dtype: of the numbers.
    """

    __expression_names__ = frozenset({"sample"})

    def __init__(self, *parameters: Any, dtype: Any):
        self._parameters = jnp.broadcast_arrays(*parameters)
        self._dtype = dtype_of(dtype)

    def sample(self, sample_shape: Any = (), seed: Any = None, name: Any = None) -> jax.Array:
        """Numbers of shape `sample_shape`, followed by the parameters' shape."""
        shape = (*shape_of(sample_shape), *self._parameters[0].shape)
        bounds.elements(shape)
        return self._draw(shape).astype(self._dtype)

    def _draw(self, shape: tuple[int, ...]) -> jax.Array:
        raise NotImplementedError


class Bernoulli(Distribution):
    """One with probability `probs`, or with the sigmoid of `logits`; else zero.

    >>> import tenure as tn
    >>> tn.transform(lambda: Bernoulli(probs=[0.0, 1.0]).sample(2)).apply({}, jax.random.key(0)).tolist()
    [[0, 1], [0, 1]]
    """

    def __init__(self, logits: Any = None, probs: Any = None, dtype: Any = "int32", name: Any = None, **checks: Any):
        if (logits is None) == (probs is None):
            raise TypeError("Bernoulli: either 'logits' or 'probs' is needed")
        super().__init__(jax.nn.sigmoid(jnp.asarray(logits)) if probs is None else jnp.asarray(probs), dtype=dtype)

    def _draw(self, shape: tuple[int, ...]) -> jax.Array:
        return jax.random.bernoulli(key(), self._parameters[0], shape)


class Normal(Distribution):
    """Normal numbers with mean `loc` and deviation `scale`."""

    def __init__(self, loc: Any, scale: Any, name: Any = None, **checks: Any):
        loc, scale = jnp.asarray(loc, "float32"), jnp.asarray(scale, "float32")
        super().__init__(loc, scale, dtype="float32")

    def _draw(self, shape: tuple[int, ...]) -> jax.Array:
        loc, scale = self._parameters
        return loc + scale * jax.random.normal(key(), shape)


class Uniform(Distribution):
    """Numbers from `low` to before `high`."""

    def __init__(self, low: Any = 0.0, high: Any = 1.0, name: Any = None, **checks: Any):
        low, high = jnp.asarray(low, "float32"), jnp.asarray(high, "float32")
        super().__init__(low, high, dtype="float32")

    def _draw(self, shape: tuple[int, ...]) -> jax.Array:
        low, high = self._parameters
        return low + (high - low) * jax.random.uniform(key(), shape)


TABLE: dict[str, type[Distribution]] = {"Bernoulli": Bernoulli, "Normal": Normal, "Uniform": Uniform}
