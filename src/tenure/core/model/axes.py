"""Mapped axes that nobody maps: planning and initialising are those of a single lane, applying is an error."""

from __future__ import annotations

import functools
import re
import traceback
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.errors import Party, ShardingError, UnboundAxisError
from tenure.core.sites import raised_at


def unbound_axis(error: NameError) -> str | None:
    """The axis that JAX says is not bound; None if the error is about something else."""
    found = re.search(r"unbound axis name: ([^\s.]+)", str(error))
    return found[1] if found else None


def in_single_lanes(function: Callable[..., Any], axes: Iterable[str]) -> Callable[..., Any]:
    """`function` as the only lane of each of these axes: an average over them is the value itself."""
    for axis in axes:
        function = functools.partial(_single, function, axis)
    return function


def _single(function: Callable[..., Any], axis: str, *args: Any) -> Any:
    out = jax.vmap(lambda _: function(*args), axis_name=axis)(jnp.zeros(1))
    return jax.tree.map(lambda value: value[0], out)


def not_mapped(error: NameError, axis: str) -> UnboundAxisError:
    """The error of a model that averages over an axis, and is applied outside of the map that has it."""
    return UnboundAxisError(
        f"the axis '{axis}' is not mapped here: the model averages, or counts its lanes, over it",
        parties=[Party("asker", axis, "a mapped axis", str(raised_at(error)))],
        ways=[
            f"map it:  jax.vmap(model.apply, in_axes=(None, None, None, 0), axis_name='{axis}')(params, state, key, xs)",
            f"over devices:  jax.shard_map with a mesh that has the axis '{axis}'",
            "on one device: build the layer without it, cross_replica_axis=None",
        ],
    )


def misplaced(error: Exception) -> ShardingError | None:
    """The error of an operation whose result may lie on a mesh in several ways, or in none; None if it is about something else.

    Meshes with explicit axes, which `jax.make_mesh` makes unless it is told otherwise, ask for such results to be told.
    """
    said = str(error)
    if type(error).__name__ != "ShardingTypeError" and "should be replicated. Got P(" not in said:
        return None
    calls = [f.f_locals for f, _ in traceback.walk_tb(error.__traceback__) if f.f_code.co_name == "wrapped"]
    paths = [found["path"] for found in calls if isinstance(found.get("path"), str)]
    shown = re.split(r"\.\s|\n", said)[0][:120]
    path = paths[-1] if paths else "the model's function"
    return ShardingError(
        f"JAX cannot tell how a result of {path} lies on the mesh: {shown}",
        parties=[Party("module" if paths else "asker", path, "", str(raised_at(error)))],
        ways=[
            "spread the batch axis of the inputs only, and not one that is sliced, scanned or summed over:  P('data')",
            "let XLA decide:  jax.make_mesh(shape, names, axis_types=(jax.sharding.AxisType.Auto,) * len(names))",
            "say how the array lies before that operation:  jax.sharding.reshard(x, P(…))",
        ],
    )
