"""Linking: each borrower's reference is found among the slots, and what it gives is checked against what was asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from tenure.core.errors import (
    AxesError,
    CycleError,
    GivenTooLateError,
    Party,
    PathSyntaxError,
    TenureError,
    UnknownOwnerError,
    ViewShapeError,
    nearest,
)
from tenure.core.notation import paths, views
from tenure.core.notation.refs import Ref
from tenure.core.slots.slot import Slot
from tenure.core.slots.stage_rules import Rules
from tenure.core.slots.staging import resolve_stages

Slots = dict[str, Slot]


def link(slots: Slots, states: Slots | None = None, rules: Rules | None = None) -> None:
    """Finds every borrower's target and every slot's stages, and checks that the chain ends at an owner whose value fits.

    Raises:
      UnknownOwnerError, CycleError, ViewShapeError, GivenTooLateError, AxesError: the rule that broke.
      BorrowerStageError, StageShapeError, StageOrderError, UnusedStageError, RuleError: likewise.
    """
    index: dict[str, list[str]] = {}
    for path in slots:
        index.setdefault(paths.plain(path), []).append(path)
    for slot in slots.values():
        if slot.kind == "borrowed":
            _find_target(slot, slots, index)
    for slot in slots.values():
        if slot.kind == "borrowed":
            _check_loop(slot, slots)
    if rules is not None and states is not None:
        resolve_stages(slots, states, rules)
    for slot in slots.values():
        if slot.kind == "borrowed":
            _check_fit(slot, slots)


def _find_target(slot: Slot, slots: Slots, index: Mapping[str, list[str]]) -> None:
    ref = slot.source.ref
    assert ref is not None
    if ref.tap and slot.collection == "state":
        raise PathSyntaxError(
            f"'{slot.path}' borrows '{ref.address}', and state goes through no stages",
            parties=[slot.party("user")],
            ways=[f"leave the tap away:  '{ref.path}'"],
        )
    found = _lookup(ref, slot, slots, index)
    if found is None and slot.source.or_own:
        slot.kind = "owned"
        return
    if found is None:
        raise _unknown(ref, slot, slots)
    steps = []
    for view in ref.views:
        if isinstance(view, views.Concat):
            others = []
            for other in map(Ref.parse, view.arguments["others"]):
                target = _lookup(other, slot, slots, index)
                if target is None:
                    raise _unknown(other, slot, slots)
                others.append(str(dataclasses.replace(other, path=target, absolute=True)))
            view = view.with_others(others)
        steps.append(view)
    slot.target = Ref(found, tuple(steps), True, ref.tap)


def _lookup(ref: Ref, slot: Slot, slots: Slots, index: Mapping[str, list[str]]) -> str | None:
    if ref.absolute and ref.path in slots:
        return ref.path
    names = [ref.path] if ref.absolute else paths.outwards(ref.path, paths.split(slot.path)[0])
    for name in names:
        found = [p for p in index.get(paths.plain(name), ()) if ref.absolute or p != slot.path]
        if len(found) > 1 and name not in found:
            raise UnknownOwnerError(
                f"'{ref}' could be {' or '.join(map(repr, found))}",
                parties=[slot.party("user"), *(slots[p].party("owner") for p in found)],
                ways=[f"write the whole path, such as '/{found[0]}'"],
            )
        if found:
            return name if name in found else found[0]
    return None


def _unknown(ref: Ref, slot: Slot, slots: Slots) -> UnknownOwnerError:
    origin, base = slot.source.origin, slot.source.base
    scope = (
        ""
        if ref.absolute or not base
        else f" ('{ref.path}' is looked up among the siblings of '{base}', then outwards)"
    )
    return UnknownOwnerError(
        f"'{slot.path}' borrows from '{ref.path}', which nobody owns",
        parties=[slot.party("user"), Party(origin or "owner", ref.path, "(not found)", str(slot.source.site))],
        near=nearest(ref.path, [p for p in slots if p != slot.path]),
        ways=[f"correct the path in  {_entry(slot)}{scope}", _own_way(slot)],
    )


def _next(slot: Slot) -> list[str]:
    assert slot.target is not None
    return [slot.target.path, *(other.path for other in slot.target.others())]


def _check_loop(slot: Slot, slots: Slots) -> None:
    def follow(path: str, trail: list[str]) -> None:
        if path in trail:
            loop = [*trail[trail.index(path) :], path]
            raise CycleError(
                "parameters borrow from each other in a loop: " + " → ".join(loop),
                parties=[slots[p].party("user", str(slots[p].target)) for p in loop[:-1]],
                ways=[f"'{p}' could be an owner:  {_own_way(slots[p]).partition(':  ')[2]}" for p in loop[:-1][:3]],
            )
        if slots[path].kind == "borrowed":
            for target in _next(slots[path]):
                follow(target, [*trail, path])

    follow(slot.path, [])


def seen_shape(target: Slot, user: Slot) -> tuple[int, ...]:
    """A slot's shape as seen by a user: of one layer inside the same layer stack, of all layers outside."""
    return tuple(n for prefix, n in target.stack if (prefix, n) not in user.stack) + target.shape


def _walk(ref: Ref, user: Slot, slots: Slots) -> tuple[tuple[int, ...], Any, tuple[Any, ...]]:
    """Shape, dtype and axes of what a reference gives."""
    target = slots[ref.path]
    shape, dtype = seen_shape(target, user), target.dtype
    axes: tuple[Any, ...] = target.axes or ()
    if ref.tap == "stored" and target.leaf is not None and target.leaf.shape != target.shape:
        shape, axes = shape[: len(shape) - len(target.shape)] + target.leaf.shape, ()
    if ref.tap == "stored" and target.leaf is not None:
        dtype = target.leaf.dtype
    axes = (None,) * (len(shape) - len(axes)) + axes if axes else ()
    for view in ref.views:
        if isinstance(view, views.Concat):
            others = [_walk(o, user, slots)[:2] for o in map(Ref.parse, view.arguments["others"])]
            shape, dtype = view.joined([(shape, dtype), *others])
            continue
        shape, dtype = view.out(shape, dtype)
        axes = view.axes(axes) if axes else ()
        if axes and len(axes) != len(shape):
            raise views.Misfit(f"'{view}' names the axes {axes} of what is {shape}")
    return shape, dtype, axes


def _check_fit(slot: Slot, slots: Slots) -> None:
    ref = slot.target
    assert ref is not None
    owner = slots[ref.path]
    shown = str(dataclasses.replace(ref, absolute=False)).partition(" | ")[2] or "(no view)"
    parties = [slot.party("user"), owner.party("owner", shown)]
    try:
        shape, dtype, axes = _walk(ref, slot, slots)
    except (views.Misfit, ValueError, OverflowError) as e:
        if isinstance(e, TenureError):
            raise
        raise ViewShapeError(
            f"'{slot.path}' needs {slot.shape}, and the view does not fit its owner: {e}",
            parties=parties,
            ways=[f"change the view in  {_entry(slot)}", _own_way(slot)],
        ) from None
    if shape != slot.shape:
        raise ViewShapeError(
            f"'{slot.path}' needs {slot.shape} but its owner gives {shape}",
            parties=parties,
            ways=_shape_ways(slot, shape, owner),
        )
    if slot.collection == "params" and jnp.dtype(dtype) != jnp.dtype(slot.dtype):
        raise ViewShapeError(
            f"'{slot.path}' needs {slot.dtype} but its owner gives {dtype}",
            parties=parties,
            ways=[f"tie it through a view:  {_entry(slot, f'cast({slot.dtype})')}", _own_way(slot)],
        )
    if owner.kind == "given" and owner.order > slot.order:
        raise GivenTooLateError(
            f"'{slot.path}' borrows '{owner.path}', a computed value that is given further on",
            parties=parties,
            ways=["build the module with the given value before this one"],
        )
    if slot.axes and axes and any(a and b and a != b for a, b in zip(slot.axes, axes, strict=True)):
        raise AxesError(
            f"'{slot.path}' names its axes {slot.axes}, but through the view its owner's are {axes}",
            parties=parties,
            ways=[
                "use the owner's names",
                "ask for another layout of this use:  " + _entry(slot, "constrain('model', None)"),
            ],
        )
    slot.axes = slot.axes or (axes if any(axes) else None)


def _entry(slot: Slot, steps: str = "") -> str:
    """The entry that ties the slot, as the program would spell it, with further views."""
    name, source = paths.split(slot.path)[1], slot.source
    if source.origin == "declare":
        return f'tn.borrow("{name}", "{steps}")'
    ref = str(source.ref) if "/" in paths.split(slot.path)[0] else str(source.ref).removeprefix("/")
    ref = f"{ref} | {steps}" if steps else ref
    return (
        f'ties={{"{slot.path}": "{ref.removeprefix("/")}"}}'
        if source.origin == "ties"
        else f'share={{"{name}": "{ref}"}}'
    )


def _own_way(slot: Slot) -> str:
    if slot.source.origin == "ties":
        return f"own it instead:  remove the tie for '{slot.path}'"
    if slot.source.origin == "declare":
        return f'own it instead:  tn.get_parameter("{paths.split(slot.path)[1]}", …)'
    return f'own it instead:  share={{"{paths.split(slot.path)[1]}": None}}'


def _shape_ways(slot: Slot, shape: tuple[int, ...], owner: Slot) -> list[str]:
    needed = slot.shape
    longer = [i for i, (have, need) in enumerate(zip(shape, needed, strict=False)) if have != need]
    if shape == needed[::-1]:
        way = f"tie it through a view:  {_entry(slot, 'transpose')}"
    elif shape[1:] == needed:
        way = f"use one {'layer of the stack' if owner.stack else 'slice of it'}:  {_entry(slot, 'index(0)')}"
    elif np.prod(shape) == np.prod(needed):
        way = f"tie it through a view:  {_entry(slot, f'reshape{needed}')}"
    elif len(shape) == len(needed) and len(longer) == 1 and shape[longer[0]] > needed[longer[0]]:
        axis = f", axis={longer[0]}" if longer[0] else ""
        way = f"use a part of it:  {_entry(slot, f'slice(0, {needed[longer[0]]}{axis})')}"
    else:
        way = f"give '{slot.path}' the size that fits: no view leads from {shape} to {needed}"
    return [way, _own_way(slot)]
