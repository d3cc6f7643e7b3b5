"""Linking: each borrower's reference is found among the slots, and what it gives is checked against what was asked for."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jax.numpy as jnp

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
from tenure.core.notation import paths
from tenure.core.notation.operation import Misfit
from tenure.core.notation.refs import Ref, follow
from tenure.core.notation.view import View
from tenure.core.slots.slot import Request, Slot, Suggested
from tenure.core.slots.stage_rules import Rules
from tenure.core.slots.staging import resolve_stages

Slots = dict[str, Slot]


def link(
    requests: Mapping[str, Request],
    modes: Mapping[str, Iterable[tuple[bool, bool]]],
    rules: Rules | None = None,
    states: Slots | None = None,
) -> Slots:
    """The slots that requests come to: each borrower with its owner, each slot with its stages, all checked.

    Args:
      requests: of one collection, by path.
      modes: path → (training, inside of a loop) of its requests.
      rules: what `stages=` says, for parameters.
      states: the slots of the states, to which the states of stages are added.

    Raises:
      UnknownOwnerError, CycleError, ViewShapeError, GivenTooLateError, AxesError: the rule that broke.
      BorrowerStageError, StageShapeError, StageOrderError, UnusedStageError, RuleError: likewise.
    """
    index: dict[str, list[str]] = {}
    for path in requests:
        index.setdefault(paths.plain(path), []).append(path)
    slots = {}
    for path, asked in requests.items():
        target = _target(asked, requests, index) if asked.kind == "borrowed" else None
        kind = "owned" if asked.kind == "borrowed" and target is None else asked.kind
        slots[path] = Slot(asked, kind, target, asked.axes, modes=frozenset(modes.get(path, ())))
    borrowers = [path for path, slot in slots.items() if slot.kind == "borrowed"]
    if borrowers:
        _check_loops(slots)
    if rules is not None and states is not None:
        slots = resolve_stages(slots, states, rules)
    for path in borrowers:
        slots[path] = _fitted(slots[path], slots)
    return slots


def _target(asked: Request, requests: Mapping[str, Request], index: Mapping[str, list[str]]) -> Ref | None:
    """What a request borrows, with absolute paths; None if that is not there and the request may own it."""
    ref = asked.source.ref
    assert ref is not None
    if ref.tap and asked.collection == "state":
        raise PathSyntaxError(
            f"'{asked.path}' borrows '{ref.address}', and state goes through no stages",
            parties=[asked.party("user")],
            ways=[f"leave the tap away:  '{ref.path}'"],
        )
    if asked.source.or_own and _lookup(ref, asked, requests, index) is None:
        return None
    return _absolute(ref, asked, requests, index)


def _absolute(ref: Ref, asked: Request, requests: Mapping[str, Request], index: Mapping[str, list[str]]) -> Ref:
    found = _lookup(ref, asked, requests, index)
    if found is None:
        raise _unknown(ref, asked, requests)
    steps = []
    for view in ref.views:
        others = [str(_absolute(Ref.parse(other), asked, requests, index)) for other in view.references()]
        steps.append(view.with_references(others) if others else view)
    return Ref(found, tuple(steps), True, ref.tap)


def _lookup(ref: Ref, asked: Request, requests: Mapping[str, Request], index: Mapping[str, list[str]]) -> str | None:
    if ref.absolute and ref.path in requests:
        return ref.path
    names = [ref.path] if ref.absolute else paths.outwards(ref.path, paths.split(asked.path)[0])
    for name in names:
        found = [p for p in index.get(paths.plain(name), ()) if ref.absolute or p != asked.path]
        if len(found) > 1 and name not in found:
            raise UnknownOwnerError(
                f"'{ref}' could be {' or '.join(map(repr, found))}",
                parties=[asked.party("user"), *(requests[p].party("owner") for p in found)],
                ways=[f"write the whole path, such as '/{found[0]}'"],
            )
        if found:
            return name if name in found else found[0]
    return None


def _unknown(ref: Ref, asked: Request, requests: Mapping[str, Request]) -> UnknownOwnerError:
    origin, base = asked.source.origin, asked.source.base
    scope = (
        ""
        if ref.absolute or not base
        else f" ('{ref.path}' is looked up among the siblings of '{base}', then outwards)"
    )
    return UnknownOwnerError(
        f"'{asked.path}' borrows from '{ref.path}', which nobody owns",
        parties=[asked.party("user"), Party(origin or "owner", ref.path, "(not found)", str(asked.source.site))],
        near=nearest(ref.path, [p for p in requests if p != asked.path]),
        ways=[f"correct the path in  {_entry(asked)}{scope}", _own_way(asked)],
    )


def _check_loops(slots: Slots) -> None:
    """Raises `CycleError` if what a borrower borrows comes back to the borrower. Without recursion: chains may be long."""
    done: set[str] = set()
    for start in slots:
        trail = {start: _lenders(slots[start])} if start not in done else {}
        while trail:
            last = next(reversed(trail))
            path = next(trail[last], None)
            if path is None:
                done.add(last)
                del trail[last]
            elif path in trail:
                raise _loop([*list(trail)[list(trail).index(path) :], path], slots)
            elif path not in done:
                trail[path] = _lenders(slots[path])


def _lenders(slot: Slot) -> Iterator[str]:
    return iter(() if slot.target is None else [ref.path for ref in (slot.target, *slot.target.others())])


def _loop(loop: list[str], slots: Slots) -> CycleError:
    some = loop[:-1] if len(loop) <= 9 else loop[:8]
    shown = " → ".join(loop if len(loop) <= 9 else [*some, f"… {len(loop) - 9} more …", loop[-1]])
    return CycleError(
        "parameters borrow from each other in a loop: " + shown,
        parties=[slots[p].party("user", str(slots[p].target)) for p in some],
        ways=[f"'{p}' could be an owner:  {_own_way(slots[p].request).partition(':  ')[2]}" for p in some[:3]],
    )


def seen_shape(target: Slot, user: Slot) -> tuple[int, ...]:
    """A slot's shape as seen by a user: of one layer inside the same layer stack, of all layers outside."""
    return tuple(n for prefix, n in target.stack if (prefix, n) not in user.stack) + target.shape


def _given_by(ref: Ref, user: Slot, slots: Slots) -> tuple[tuple[int, ...], Any, tuple[Any, ...]]:
    """Shape, dtype and axis names of what a reference stands for."""

    def start(ref: Ref) -> tuple[tuple[int, ...], Any, tuple[Any, ...]]:
        target = slots[ref.path]
        shape, dtype = seen_shape(target, user), target.dtype
        axes: tuple[Any, ...] = target.axes or ()
        if ref.tap == "stored" and target.leaf is not None:
            dtype = target.leaf.dtype
            if target.leaf.shape != target.shape:
                shape, axes = shape[: len(shape) - len(target.shape)] + target.leaf.shape, ()
        return shape, dtype, (None,) * (len(shape) - len(axes)) + axes if axes else ()

    def step(view: View, found: Any, others: list[Any]) -> Any:
        shape, dtype = view.out(*found[:2], *(other[:2] for other in others))
        axes = view.axes(found[2]) if found[2] else ()
        if axes and len(axes) != len(shape):
            raise Misfit(f"'{view}' names the axes {axes} of what is {shape}")
        return shape, dtype, axes

    return follow(ref, start, step)


def _fitted(slot: Slot, slots: Slots) -> Slot:
    """A borrower, checked against what its owner gives, and with the axis names that follow from the owner's."""
    ref = slot.target
    assert ref is not None
    owner = slots[ref.path]
    shown = str(dataclasses.replace(ref, absolute=False)).partition(" | ")[2] or "(no view)"
    parties = [slot.party("user"), owner.party("owner", shown)]
    try:
        shape, dtype, axes = _given_by(ref, slot, slots)
    except (Misfit, ValueError, OverflowError) as e:
        if isinstance(e, TenureError):
            raise
        raise ViewShapeError(
            f"'{slot.path}' needs {slot.shape}, and the view does not fit its owner: {e}",
            parties=parties,
            ways=[f"change the view in  {_entry(slot.request)}", _own_way(slot.request)],
        ) from None
    if shape != slot.shape:
        raise ViewShapeError(
            f"'{slot.path}' needs {slot.shape} but its owner gives {shape}",
            parties=parties,
            ways=_shape_ways(slot.request, shape, owner),
        )
    if slot.collection == "params" and jnp.dtype(dtype) != jnp.dtype(slot.dtype):
        raise ViewShapeError(
            f"'{slot.path}' needs {slot.dtype} but its owner gives {dtype}",
            parties=parties,
            ways=[f"tie it through a view:  {_entry(slot.request, f'cast({slot.dtype})')}", _own_way(slot.request)],
        )
    if owner.kind == "given" and owner.request.order > slot.request.order:
        raise GivenTooLateError(
            f"'{slot.path}' borrows '{owner.path}', a computed value that is given further on",
            parties=parties,
            ways=["build the module with the given value before this one"],
        )
    soft = isinstance(slot.axes, Suggested) or isinstance(owner.axes, Suggested)
    if not soft and slot.axes and axes and any(a and b and a != b for a, b in zip(slot.axes, axes, strict=True)):
        raise AxesError(
            f"'{slot.path}' names its axes {slot.axes}, but through the view its owner's are {axes}",
            parties=parties,
            ways=[
                "use the owner's names",
                "ask for another layout of this use:  " + _entry(slot.request, "constrain('model', None)"),
            ],
        )
    takes = not slot.axes or isinstance(slot.axes, Suggested)
    return dataclasses.replace(slot, axes=axes) if takes and any(axes) else slot


def _entry(asked: Request, steps: str = "") -> str:
    """The entry that ties the slot, as the program would spell it, with further views."""
    name, source = paths.split(asked.path)[1], asked.source
    if source.origin == "declare":
        return f'tn.borrow("{name}", "{steps}")'
    ref = str(source.ref) if "/" in paths.split(asked.path)[0] else str(source.ref).removeprefix("/")
    ref = f"{ref} | {steps}" if steps else ref
    return (
        f'ties={{"{asked.path}": "{ref.removeprefix("/")}"}}'
        if source.origin == "ties"
        else f'share={{"{name}": "{ref}"}}'
    )


def _own_way(asked: Request) -> str:
    if asked.source.origin == "ties":
        return f"own it instead:  remove the tie for '{asked.path}'"
    if asked.source.origin == "declare":
        return f'own it instead:  tn.get_parameter("{paths.split(asked.path)[1]}", …)'
    return f'own it instead:  share={{"{paths.split(asked.path)[1]}": None}}'


def _shape_ways(asked: Request, shape: tuple[int, ...], owner: Slot) -> list[str]:
    needed = asked.shape
    found = fitting_view(shape, needed)
    if found is None:
        return [f"give '{asked.path}' the size that fits: no view leads from {shape} to {needed}", _own_way(asked)]
    how, view = found
    if view == "index(0)" and owner.stack:
        how = "use one layer of the stack"
    return [f"{how}:  {_entry(asked, view)}", _own_way(asked)]


def fitting_view(shape: tuple[int, ...], needed: tuple[int, ...]) -> tuple[str, str] | None:
    """A view that leads from one shape to another, with what it does; None if there is none.

    >>> fitting_view((4, 3), (3, 4)), fitting_view((4, 3), (5,))
    (('tie it through a view', 'transpose'), None)
    """
    longer = [i for i, (have, need) in enumerate(zip(shape, needed, strict=False)) if have != need]
    if shape == needed[::-1]:
        return "tie it through a view", "transpose"
    if shape[1:] == needed:
        return "use one slice of it", "index(0)"
    if math.prod(shape) == math.prod(needed):
        return "tie it through a view", f"reshape{needed}"
    if len(shape) == len(needed) and len(longer) == 1 and shape[longer[0]] > needed[longer[0]]:
        axis = f", axis={longer[0]}" if longer[0] else ""
        return "use a part of it", f"slice(0, {needed[longer[0]]}{axis})"
    return None
