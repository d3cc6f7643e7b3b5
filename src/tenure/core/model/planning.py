"""Planning: the function is run once, abstractly; then every borrower is linked to its owner and checked."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.errors import Party, UnusedTieError, nearest
from tenure.core.keys import PlanKeys
from tenure.core.notation import paths
from tenure.core.run.frame import Frame
from tenure.core.slots.link import link
from tenure.core.slots.plan import Plan
from tenure.core.traces import without_collection


def traced(
    function: Callable[..., Any], frame: Frame, args: Any, kwargs: Any, has_key: bool, axes: Iterable[str]
) -> Any:
    """Runs a function abstractly, so that `frame` has its requests. Returns the shapes of its result.

    Args:
      function: the model's.
      frame: of a run that plans.
      args, kwargs: the inputs: arrays, or their shapes.
      has_key: whether random keys can be drawn.
      axes: those that are mapped outside of the model, and that nobody maps here: each has a single lane.
    """
    specs, filled = opened((args, kwargs))
    outs: list[Any] = []

    def run(*arrays: Any) -> list[Any]:  # a fresh closure: eval_shape remembers functions that it has seen
        a, k = filled(arrays)
        frame.keys = PlanKeys() if has_key else None
        with frame.active():
            out = function(*a, **k)
        frame.release()
        outs.append(jax.tree.map(struct_of, out))
        return [leaf for leaf in jax.tree.leaves(out) if isinstance(leaf, jax.Array)]  # JAX finds those of other traces

    with without_collection():
        jax.eval_shape(in_single_lanes(run, axes), *specs)
    return outs[0]


def in_single_lanes(function: Callable[..., Any], axes: Iterable[str]) -> Callable[..., Any]:
    """`function` as the only lane of each of these axes: an average over them is the value itself."""
    for axis in axes:
        function = functools.partial(_single, function, axis)
    return function


def _single(function: Callable[..., Any], axis: str, *args: Any) -> Any:
    out = jax.vmap(lambda _: function(*args), axis_name=axis)(jnp.zeros(1))
    return jax.tree.map(lambda value: value[0], out)


def linked(frame: Frame, out: Any, ties: Mapping[str, Any], stages: Mapping[str, Any] | None = None) -> Plan:
    """The plan that the requests of a finished run come to.

    Args:
      frame: of the run.
      out: shapes and dtypes of the result.
      ties, stages: as given to `transform`.

    Raises:
      TenureError: the ties or stages do not hold, or were never used; the message says which rule broke.
    """
    states = link(frame.state_requests, {})
    slots = link(frame.requests, frame.modes, frame.sources.stages, states)
    _check_used(frame)
    return Plan(slots, states, out, ties, stages)


#: Inputs that are planned by their shape; Python numbers, strings and the like stay what they are.
ARRAYS = (jax.Array, np.ndarray, jax.ShapeDtypeStruct)


def opened(inputs: Any, kinds: tuple[type, ...] = ARRAYS) -> tuple[list[Any], Callable[[Sequence[Any]], Any]]:
    """The shapes of the arrays in a tree of inputs, and a function from such arrays to the tree.

    Args:
      inputs: any tree.
      kinds: the types of those leaves that are arrays; the others stay what they are.
    """
    leaves, tree = jax.tree.flatten(inputs)
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, kinds)]

    def filled(arrays: Sequence[Any]) -> Any:
        given = dict(zip(places, arrays, strict=True))
        return jax.tree.unflatten(tree, [given.get(i, leaf) for i, leaf in enumerate(leaves)])

    return [spec_of(leaves[i]) for i in places], filled


def struct_of(leaf: Any) -> Any:
    """The shape and dtype of an array; anything else as it is."""
    return spec_of(leaf) if isinstance(leaf, ARRAYS) else leaf


def spec_of(leaf: Any) -> jax.ShapeDtypeStruct:
    """The shape, dtype and weak type by which an input is planned."""
    extended = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.extended)
    dtype = leaf.dtype if extended else jax.dtypes.canonicalize_dtype(leaf.dtype)
    return jax.ShapeDtypeStruct(leaf.shape, dtype, weak_type=getattr(leaf, "weak_type", False))


def _check_used(frame: Frame) -> None:
    asked = [paths.plain(path) for path in (*frame.requests, *frame.state_requests)]
    modules = dict.fromkeys(f"{path.rpartition('/')[0]}/*" for path in asked if "/" in path)
    for key, source in frame.sources.unused():
        whole = key.endswith("/*")
        shown = f"module '{source.ref.path}'" if whole and source.ref else f"'{source.ref or source.kind}'"
        raise UnusedTieError(
            f"the {source.origin} entry for '{key}' was never used: no module asked for {'any of these' if whole else 'that'}",
            parties=[Party(source.origin, key, f"→ {shown}", str(source.site))],
            near=nearest(key, modules if whole else asked),
            ways=["correct the path", "remove the entry", "print(model.plan(…).ledger) without it shows all paths"],
        )
