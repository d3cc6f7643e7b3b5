"""One layer for many hypotheses, or for all frames at once: `vmap` over an axis that the layer itself does not see.

A layer class knows batches, frames and features, and nothing of beams or of the steps of a loop. Under `vmap` its tensors
have no such axis, while masks and lengths stay those of the sequence; what it gives gets the axis back, in front.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.run import transformations as lifting
from tenure.network import sizes
from tenure.network.dims import Dim
from tenure.network.output import Output, is_tensor
from tenure.network.tensor import Tensor


def _is_array(x: Any) -> bool:
    return isinstance(x, (jax.Array, np.ndarray))


def over_lanes(
    dim: Dim,
    given: Any,
    call: Any,
    *,
    split_rng: bool = False,
    as_time: bool = False,
    lengths: Mapping[Dim, Tensor] | None = None,
) -> Output:
    """Calls a function of outputs and states once for each lane along `dim`.

    Args:
      dim: the axis; tensors without it are the same for all lanes.
      given: outputs and states, in any structure.
      call: takes the same structure without the axis, and the lane's number; returns an output.
      split_rng: whether each lane draws random numbers of its own.
      as_time: whether the axis is what "T" means in the result.
      lengths: lengths of dims in each lane, beside those that go over the axis anyway.

    Returns:
      What `call` returns, with the axis in front of every tensor.
    """
    leaves, tree = jax.tree.flatten(given, is_leaf=is_tensor)
    lengths = {**(lengths or {}), **sizes.current().over(dim)}
    arrays, rebuild = _split([*leaves, *lengths.values()], dim)
    n = sizes.current().padded(dim)
    seen: dict[str, Any] = {}

    def lane(number: Any, arrays: Any) -> Any:
        found = rebuild(arrays)
        with sizes.inner() as known:
            for of, length in zip(lengths, found[len(leaves) :], strict=True):
                known.declare(of, sizes.current().padded(of), length)
            before = set(known.own())
            out = call(jax.tree.unflatten(tree, found[: len(leaves)]), number)
            seen["new"] = {d: v for d, v in known.own().items() if d not in before}
        parts, seen["tree"] = jax.tree.flatten(out, is_leaf=is_tensor)
        seen["leaves"] = [x.like(None) if is_tensor(x) else None if _is_array(x) else x for x in parts]
        seen["kinds"] = ["tensor" if is_tensor(x) else "array" if _is_array(x) else "other" for x in parts]
        data = [x.data if is_tensor(x) else x for x in parts if is_tensor(x) or _is_array(x)]
        return data, [v[1].data for v in seen["new"].values() if v[1] is not None]

    numbers = jnp.arange(n, dtype=jnp.int32)
    data, found = lifting.vmap(lane, split_rng=split_rng)(numbers, arrays)
    _declare(seen["new"], found, dim)
    values = iter(data)
    parts = []
    for kind, leaf in zip(seen["kinds"], seen["leaves"], strict=True):
        if kind == "tensor":
            parts.append(leaf.stacked(dim, next(values), as_time))
        else:
            parts.append(next(values) if kind == "array" else leaf)
    out: Output = jax.tree.unflatten(seen["tree"], parts)
    return out


def _split(leaves: list[Any], dim: Dim) -> tuple[list[Any], Any]:
    """The arrays that have the axis, in front; and what puts lanes of them back among the other leaves."""
    arrays, places = [], {}
    for i, x in enumerate(leaves):
        if is_tensor(x) and x.has(dim):
            axis = x.axis(dim)
            arrays.append(jnp.moveaxis(x.data, axis, 0))
            places[i] = x.without(axis)

    def rebuild(lanes: list[Any]) -> list[Any]:
        values = iter(lanes)
        return [places[i].like(next(values)) if i in places else x for i, x in enumerate(leaves)]

    return arrays, rebuild


def _declare(new: Mapping[Dim, tuple[int, Tensor | None]], lengths: list[Any], dim: Dim) -> None:
    """Sizes of dims that the lanes made become known; their lengths may be others in each lane."""
    known, values = sizes.current(), iter(lengths)
    for of, (padded, length) in new.items():
        value = None if length is None else length.stacked(dim, next(values))
        if not known.knows(of) or known.lengths(of) is None:
            known.declare(of, padded, value)
