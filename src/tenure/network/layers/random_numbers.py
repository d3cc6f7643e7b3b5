"""Layers that draw random numbers, from the key of the pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run.rng import next_rng_key
from tenure.network import ops, sizes
from tenure.network.dims import Dim
from tenure.network.initializers import initializer
from tenure.network.layer import Layer, layer
from tenure.network.layers.constant import template_dims
from tenure.network.layers.dims_of import made
from tenure.network.tensor import Tensor


@layer("random")
class Random(Layer):
    """Random numbers: "uniform", "normal", "truncated_normal", or a variance-scaling distribution's name.

    RETURNN keeps a generator's state in a variable; here a pass has a key, and `explicit_state` has no meaning.

    No input, output [*shape].
    """

    def forward(
        self,
        *,
        shape: Any,
        distribution: str,
        mean: Tensor | float | None = None,
        stddev: Tensor | float | None = None,
        bound: Tensor | float | None = None,
        minval: Tensor | float | None = None,
        maxval: Tensor | float | None = None,
        dtype: str = "float32",
        sparse_dim: Dim | None = None,
        feature_dim: Dim | None = None,
        seed: Any = None,
        algorithm: str | None = None,
        explicit_state: Tensor | None = None,
        auto_update_state: bool | None = None,
        static: bool | None = None,
        shape_deps: Tensor | None = None,
        stop_grad: bool = False,
    ) -> Tensor:
        dims = tuple(template_dims(self, None, shape, False))
        full = tuple(sizes.current().padded(d) for d in dims)
        numbers = {
            k: (jax.lax.stop_gradient if stop_grad else lambda a: a)(ops.aligned(v, dims))
            if isinstance(v, Tensor)
            else v
            for k, v in {"mean": mean, "stddev": stddev, "minval": minval, "maxval": maxval, "bound": bound}.items()
        }
        key = jax.random.key(int(seed)) if static and isinstance(seed, int) else next_rng_key()
        out = Tensor(self._draw(key, distribution, full, jnp.dtype(dtype), **numbers), dims, sparse_dim)
        return out if feature_dim is None else out.as_feature(feature_dim)

    def _draw(
        self, key: Any, kind: str, shape: Any, dtype: Any, mean: Any, stddev: Any, minval: Any, maxval: Any, bound: Any
    ) -> Any:
        if kind == "uniform":
            if bound is not None:
                minval, maxval = -bound, bound
            low = 0 if minval is None else minval
            if jnp.issubdtype(dtype, jnp.integer):
                return jax.random.randint(key, shape, low, maxval, dtype)
            return jax.random.uniform(key, shape, dtype, low, 1 if maxval is None else maxval)
        draw = {
            "normal": jax.random.normal,
            "truncated_normal": lambda k, s, d: jax.random.truncated_normal(k, -2, 2, s, d),
        }.get(kind)
        if draw is not None:
            return (0 if mean is None else mean) + (1 if stddev is None else stddev) * draw(key, shape, dtype)
        return initializer(kind)(shape, dtype)


@layer("rand_int")
class RandInt(Layer):
    """Random whole numbers from `minval` to before `maxval`.

    No input (or one that is not read), output [*shape].
    """

    def forward(
        self,
        sources: Sequence[Tensor] = (),
        *,
        shape: Any,
        maxval: Tensor | int,
        minval: Tensor | int = 0,
        dtype: str = "int32",
        sparse_dim: Dim | None = None,
        seed: Any = None,
    ) -> Tensor:
        dims = tuple(template_dims(self, None, shape, False))
        full = tuple(sizes.current().padded(d) for d in dims)
        low, high = (v.data if isinstance(v, Tensor) else v for v in (minval, maxval))
        return Tensor(jax.random.randint(next_rng_key(), full, low, high, dtype), dims, sparse_dim)


@layer("random_state_init")
class RandomStateInit(Layer):
    """A state for `random`. Keys take its place here; the numbers are not used.

    No input, output [3].
    """

    def forward(self, *, algorithm: str | None = None, seed: Any = None, out_dim: Dim | None = None) -> Tensor:
        dim = made(self, "{}:random-state", 3, out_dim)
        return Tensor(jnp.zeros((3,), jnp.int32), (dim,))
