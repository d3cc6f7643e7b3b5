"""Initial values: each owner's is drawn by its own initialiser, with a key from its path, and put through its stages."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jax

from tenure.core.errors import MissingRNGError, ParameterDtypeError, TenureError
from tenure.core.keys import initialising, made_key, missing_key, owner_keys
from tenure.core.run import values
from tenure.core.run.recipes import over_layers
from tenure.core.run.values import offline
from tenure.core.slots import staging
from tenure.core.slots.plan import Plan
from tenure.core.slots.slot import Slot, named
from tenure.core.slots.table import FINAL
from tenure.core.traces import outermost
from tenure.core.trees import nest


def draw(slots: Mapping[str, Slot], key: Any) -> tuple[dict[str, Any], list[str]]:
    """The owners' initial values, and the paths of those that only the forward pass can make.

    Args:
      slots: of the parameters, or of the states.
      key: from which each owner's is drawn by its path; None if there is none.
    """
    owners = [slot for slot in slots.values() if slot.kind == "owned" and not slot.part_of]
    drawing = [path for slot in owners for path in _leaves(slot)]
    keys = dict(zip(drawing, owner_keys(key, drawing), strict=True)) if key is not None and owners else {}
    drawn: dict[str, Any] = {}
    late: list[str] = []
    for slot in owners:
        made = _made_alone(slot, keys)
        if made is None:
            late += _leaves(slot)
            continue
        drawn.update(made)
        if slot.collection == "params":
            _check_made(slot, made[slot.path])
    return drawn, late


def _made_alone(slot: Slot, keys: Mapping[str, Any]) -> dict[str, Any] | None:
    """An owner's first value, and those of its stages' leaves; None if only the forward pass can make them."""
    if slot.make is None:
        return None
    try:
        made = None if _hands_on(slot, keys) else _make(slot, keys)
    except jax.errors.UnexpectedTracerError:
        return None
    except MissingRNGError:
        raise missing_key("init(jax.random.key(0), …)", slot.party("owner")) from None
    return None if _holds_values(slot.init) and any(map(_has_ended, jax.tree.leaves(made))) else made


def _hands_on(slot: Slot, keys: Mapping[str, Any]) -> bool:
    """Within a trace: whether an initialiser that holds values, such as a closure, reads a value that JAX traced, such as an input.

    JAX notices values of a trace that is over only when the trace around ends.
    """
    if outermost() or not _holds_values(slot.init):
        return False
    mine = {path: made_key(keys.get(path)) for path in _leaves(slot)}
    made = jax.make_jaxpr(lambda keys: _make(slot, keys))(mine)
    return any(isinstance(const, jax.core.Tracer) for const in made.consts)


def _holds_values(init: Any) -> bool:
    """Whether an initialiser may hold a value that was traced: a closure, a partial function, an object with arrays."""
    held = getattr(init, "__closure__", None) or isinstance(init, functools.partial)
    return bool(held) or any(isinstance(v, jax.core.Tracer) for v in getattr(init, "__dict__", {}).values())


def _has_ended(value: Any) -> bool:
    """Whether a value belongs to the trace of a plan that is over: an initialiser that hands an input on as it is."""
    if not isinstance(value, jax.core.Tracer):
        return False
    try:
        jax.lax.optimization_barrier(value)
    except jax.errors.UnexpectedTracerError:
        return True
    return False


def _check_made(slot: Slot, value: Any) -> None:
    """Raises unless an initialiser made what the plan, and the ledger, say."""
    if value.shape != slot.full_shape:
        raise TenureError(
            f"the initialiser of '{slot.path}' made {value.shape} instead of {slot.full_shape}",
            parties=[slot.party("owner")],
            ways=["return an array of the shape that the initialiser is called with"],
        )
    if value.dtype != slot.full_dtype:
        raise ParameterDtypeError(
            f"the initialiser of '{slot.path}' made {value.dtype} instead of {named(slot.full_dtype)}",
            parties=[slot.party("owner")],
            ways=[
                "use the dtype that the initialiser is called with:  lambda shape, dtype: jnp.zeros(shape, dtype)",
                f"ask for what it makes:  get_parameter(…, dtype='{value.dtype}')",
            ],
        )


def _leaves(slot: Slot) -> list[str]:
    """What is stored for an owner: its own leaf, and those of the stages that all users see."""
    return [slot.path, *slot.parts_of(slot.stages).values()]


def _make(slot: Slot, keys: Mapping[str, Any]) -> dict[str, Any]:
    """An owner's first value, and those of its stages' leaves."""

    def one(_: Any, indices: tuple[Any, ...]) -> dict[str, Any]:
        with initialising(_of_layer(keys, slot.path, indices)):
            value = slot.make()  # type: ignore[misc]
        return staging.begin(slot, slot.stages, value, lambda path: _of_layer(keys, path, indices))

    return over_layers(one, slot.layers)((), ())


def _of_layer(keys: Mapping[str, Any], path: str, indices: tuple[Any, ...]) -> Any:
    """A leaf's key in one layer of the stacks around it."""
    key = keys.get(path)
    return key if key is None else functools.reduce(jax.random.fold_in, indices, made_key(key) if indices else key)


def draw_uses(plan: Plan, params: Mapping[str, Any], state: Mapping[str, Any], key: Any) -> dict[str, Any]:
    """The first values of the leaves of stages for one use: they may depend on the value that is borrowed.

    Args:
      plan: of the model.
      params, state: path → the values of all other leaves.
      key: as for `draw`.
    """
    uses = [slot for slot in plan.slots.values() if any(s.parts(slot.spec) for s in slot.use_stages)]
    if not uses:
        return {}
    made: dict[str, Any] = {}
    frame = offline(plan, nest(params), nest(state))
    with frame.active():
        for slot in uses:
            places = list(slot.parts_of(slot.use_stages).values())
            keys = dict(zip(places, owner_keys(key, places), strict=True)) if key is not None else {}

            def one(value: Any, indices: tuple[Any, ...], slot: Slot = slot, keys: Any = keys) -> dict[str, Any]:
                return staging.begin(slot, slot.use_stages, value, lambda path: _of_layer(keys, path, indices))

            made |= over_layers(one, slot.layers)(values.evaluate(frame, slot.path, FINAL), ())
    return made
