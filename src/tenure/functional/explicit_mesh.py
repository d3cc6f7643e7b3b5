"""Meshes with explicit axes, as `jax.make_mesh` makes them: every array's type says how it lies, and so must some results.

Source: https://docs.jax.dev/en/latest/notebooks/explicit-sharding.html.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec


def explicit() -> bool:
    """Whether arrays' types say how they lie on a mesh.

    >>> explicit()
    False
    """
    return bool(jax.sharding.get_abstract_mesh().explicit_axes)


def spec_of(x: Any) -> tuple[Any, ...]:
    """What each axis of an array is spread over, by its type: a mesh axis, several, or None.

    >>> spec_of(jnp.ones((2, 3)))
    (None, None)
    """
    sharding = jax.typeof(x).sharding
    spec = tuple(getattr(sharding, "spec", ()))
    return (*spec, *(None,) * (jnp.ndim(x) - len(spec)))


def rows_of(table: jax.Array, ids: jax.Array, mode: str | None = None) -> jax.Array:
    """`table[ids]`, which lies as the ids and the table's further axes do; ids [...] and a table [V, D] give [..., D].

    Args:
      table: [V, ...].
      ids: integers [...].
      mode: what ids beyond the table give, as for `jax.numpy.take`.
    """
    if not explicit():
        return table[(ids,)] if mode is None else jnp.take(table, ids, axis=0, mode=mode)
    lead = spec_of(ids)
    used = {name for entry in lead for name in _names(entry)}
    rest = (None if used & set(_names(entry)) else entry for entry in spec_of(table)[1:])
    return table.at[ids].get(mode=mode, out_sharding=PartitionSpec(*lead, *rest))


def summed_over_batch(a: jax.Array, b: jax.Array) -> jax.Array:
    """`a @ b` of matrices, whose product is a sum over the batch: whole on each device."""
    return jnp.matmul(a, b, out_sharding=PartitionSpec(None, None)) if explicit() else jnp.matmul(a, b)


def reshaped(x: jax.Array, shape: Sequence[int], kept: int) -> jax.Array:
    """`x` in another shape, whose first `kept` axes stay and lie as before; the others must not be spread."""
    spec = spec_of(x) if explicit() else ()
    if not any(spec[:kept]) or any(spec[kept:]):
        return jnp.reshape(x, shape)
    return jnp.reshape(x, shape, out_sharding=PartitionSpec(*spec[:kept], *(None,) * (len(shape) - kept)))


def batched_like(state: Any, inputs: Any, axis: int) -> Any:
    """A state [B, …] that lies nowhere yet, such as zeros, with its batch where that of the inputs is.

    Args:
      state: a tree of arrays.
      inputs: a tree of arrays.
      axis: of the batch in the inputs.
    """
    if not explicit():
        return state
    found = [(x.shape[axis], spec_of(x)[axis]) for x in jax.tree.leaves(inputs) if jnp.ndim(x) > axis]
    spread = next(((size, entry) for size, entry in found if entry is not None), None)

    def place(x: Any) -> Any:
        if spread is None or jnp.ndim(x) == 0 or x.shape[0] != spread[0] or any(spec_of(x)):
            return x
        return jax.sharding.reshard(x, PartitionSpec(spread[1], *(None,) * (jnp.ndim(x) - 1)))

    return jax.tree.map(place, state)


def left_to_xla(function: Callable[..., jax.Array], *arrays: jax.Array, batch: int = 0, out: int = 0) -> jax.Array:
    """`function(*arrays)` where JAX has no rule for how the result, or a gradient, lies: XLA decides within.

    Args:
      function: of these arrays; its result has as many axes as the first of them.
      *arrays: of which the first has the batch.
      batch, out: the batch's axis in the first array, and in the result, which is spread over the same mesh axes.
    """
    if not explicit():
        return function(*arrays)
    entries = [spec_of(arrays[0])[batch] if axis == out else None for axis in range(arrays[0].ndim)]
    result: jax.Array = jax.sharding.auto_axes(function, out_sharding=PartitionSpec(*entries))(*arrays)
    return result


def _names(entry: Any) -> tuple[Any, ...]:
    return () if entry is None else entry if isinstance(entry, tuple) else (entry,)


__all__ = ["batched_like", "explicit", "left_to_xla", "reshaped", "rows_of", "spec_of", "summed_over_batch"]
