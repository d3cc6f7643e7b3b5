"""Linking: each borrower's reference is found among the slots, and what it gives is checked against what was asked for."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping
from typing import Any

import jax.numpy as jnp

from tenure.core import errors
from tenure.core.errors import Party, TenureError, ViewShapeError, nearest
from tenure.core.notation import paths
from tenure.core.notation.operation import Misfit
from tenure.core.notation.refs import Ref, follow
from tenure.core.notation.view import View
from tenure.core.slots.slot import Request, Slot, Slots, Suggested
from tenure.core.slots.stage_rules import Rules
from tenure.core.slots.staging import resolve_stages

Index = Mapping[str, list[Request]]  # path without method segments → the requests with such a path


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
    index: dict[str, list[Request]] = {}
    for path, asked in requests.items():
        index.setdefault(paths.plain(path), []).append(asked)
    slots = {}
    for path, asked in requests.items():
        target = _target(asked, index) if asked.kind == "borrowed" else None
        kind = "owned" if asked.kind == "borrowed" and target is None else asked.kind
        slots[path] = asked.linked(kind=kind, target=target, modes=frozenset(modes.get(path, ())))
    borrowers = [path for path, slot in slots.items() if slot.kind == "borrowed"]
    if borrowers:
        owners_first(slots)
    if rules is not None and states is not None:
        slots = resolve_stages(slots, states, rules)
    for path in borrowers:
        slots[path] = _fitted(slots[path], slots)
    return slots


def _target(asked: Request, index: Index) -> Ref | None:
    """What a request borrows, with absolute paths; None if that is not there and the request may own it."""
    ref = asked.source.ref
    assert ref is not None
    if ref.tap and asked.collection == "state":
        raise errors.PathSyntaxError(
            f"'{asked.path}' borrows '{ref.address}', and state goes through no stages",
            parties=[asked.party("user")],
            ways=[f"leave the tap away:  '{ref.path}'"],
        )
    return None if asked.source.or_own and _found(ref, asked, index) is None else _absolute(ref, asked, index)


def _absolute(ref: Ref, asked: Request, index: Index) -> Ref:
    found = _found(ref, asked, index)
    if found is None:
        raise _unknown(ref, asked, index)
    steps = []
    for view in ref.views:
        others = [str(_absolute(Ref.parse(other), asked, index)) for other in view.references()]
        steps.append(view.with_references(others) if others else view)
    return Ref(found, tuple(steps), True, ref.tap)


def _found(ref: Ref, asked: Request, index: Index) -> str | None:
    """The path of the slot that a reference of a request names, None if there is none."""
    for name in [ref.path] if ref.absolute else paths.outwards(ref.path, paths.split(asked.path)[0]):
        found = {r.path: r for r in index.get(paths.plain(name), ()) if ref.absolute or r is not asked}
        if len(found) > 1 and name not in found:
            raise errors.UnknownOwnerError(
                f"'{ref}' could be {' or '.join(map(repr, found))}",
                parties=[asked.party("user"), *(r.party("owner") for r in found.values())],
                ways=[f"write the whole path, such as '/{next(iter(found))}'"],
            )
        if found:
            return name if name in found else next(iter(found))
    return None


def _unknown(ref: Ref, asked: Request, index: Index) -> TenureError:
    origin, base = asked.source.origin, asked.source.base
    scope = f" ('{ref.path}' is looked up among the siblings of '{base}', then outwards)"
    return errors.UnknownOwnerError(
        f"'{asked.path}' borrows from '{ref.path}', which nobody owns",
        parties=[asked.party("user"), Party(origin or "owner", ref.path, "(not found)", str(asked.source.site))],
        near=nearest(ref.path, [r.path for some in index.values() for r in some if r is not asked]),
        ways=[f"correct the path in  {_entry(asked)}{scope if base and not ref.absolute else ''}", _own_way(asked)],
    )


def owners_first(slots: Slots) -> list[Slot]:
    """The slots, each after those that it borrows from. Without recursion: chains may be long.

    Raises:
      CycleError: what a borrower borrows comes back to the borrower.
    """
    done: dict[str, Slot] = {}
    for start in slots:
        trail = {start: iter(slots[start].lenders)} if start not in done else {}
        while trail:
            last = next(reversed(trail))
            ref = next(trail[last], None)
            if ref is None:
                done[last] = slots[last]
                del trail[last]
            elif (path := ref.path) in trail:
                raise _loop([*list(trail)[list(trail).index(path) :], path], slots)
            elif path not in done:
                trail[path] = iter(slots[path].lenders)
    return list(done.values())


def _loop(loop: list[str], slots: Slots) -> TenureError:
    some = loop[:-1] if len(loop) <= 9 else loop[:8]
    shown = " → ".join(loop if len(loop) <= 9 else [*some, f"… {len(loop) - 9} more …", loop[-1]])
    return errors.CycleError(
        "parameters borrow from each other in a loop: " + shown,
        parties=[slots[p].party("user", str(slots[p].target)) for p in some],
        ways=[f"'{p}' could be an owner:  {_own_way(slots[p]).partition(':  ')[2]}" for p in some[:3]],
    )


def _given_by(ref: Ref, user: Slot, slots: Slots) -> tuple[tuple[int, ...], Any, tuple[Any, ...]]:
    """Shape, dtype and axis names of what a reference stands for: of one layer inside the same layer stack, of all outside."""

    def start(ref: Ref) -> tuple[tuple[int, ...], Any, tuple[Any, ...]]:
        target = slots[ref.path]
        seen: Any = target.leaf if ref.tap == "stored" and target.leaf is not None else target
        shape = tuple(n for prefix, n in target.stack if (prefix, n) not in user.stack) + seen.shape
        axes: tuple[Any, ...] = (target.axes or ()) if seen.shape == target.shape else ()
        return shape, seen.dtype, (None,) * (len(shape) - len(axes)) + axes if axes else ()

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
    misshapen = functools.partial(ViewShapeError, parties=parties)
    try:
        shape, dtype, axes = _given_by(ref, slot, slots)
    except (Misfit, ValueError, OverflowError) as e:
        if isinstance(e, TenureError):
            raise
        raise misshapen(
            f"'{slot.path}' needs {slot.shape}, and the view does not fit its owner: {e}",
            ways=[f"change the view in  {_entry(slot)}", _own_way(slot)],
        ) from None
    if shape != slot.shape:
        rule = f"'{slot.path}' needs {slot.shape} but its owner gives {shape}"
        raise misshapen(rule, ways=_shape_ways(slot, shape, owner))
    if slot.collection == "params" and jnp.dtype(dtype) != jnp.dtype(slot.dtype):
        way = f"tie it through a view:  {_entry(slot, f'cast({slot.dtype})')}"
        raise misshapen(f"'{slot.path}' needs {slot.dtype} but its owner gives {dtype}", ways=[way, _own_way(slot)])
    if owner.kind == "given" and owner.order > slot.order:
        raise errors.GivenTooLateError(
            f"'{slot.path}' borrows '{owner.path}', a computed value that is given further on",
            parties=parties,
            ways=["build the module with the given value before this one"],
        )
    soft = isinstance(slot.axes, Suggested) or isinstance(owner.axes, Suggested)
    if not soft and slot.axes and axes and any(a and b and a != b for a, b in zip(slot.axes, axes, strict=True)):
        another = "ask for another layout of this use:  " + _entry(slot, "constrain('model', None)")
        raise errors.AxesError(
            f"'{slot.path}' names its axes {slot.axes}, but through the view its owner's are {axes}",
            parties=parties,
            ways=["use the owner's names", another],
        )
    takes = not slot.axes or isinstance(slot.axes, Suggested)
    return dataclasses.replace(slot, axes=axes) if takes and any(axes) else slot


def _entry(asked: Request, steps: str = "") -> str:
    """The entry that ties the slot, as the program would spell it, with further views."""
    (module, name), origin = paths.split(asked.path), asked.source.origin
    if origin == "declare":
        return f'tn.borrow("{name}", "{steps}")'
    ref = f"{asked.source.ref} | {steps}" if steps else str(asked.source.ref)
    if origin == "ties":
        return f'ties={{"{asked.path}": "{ref.removeprefix("/")}"}}'
    return f'share={{"{name}": "{ref if "/" in module else ref.removeprefix("/")}"}}'


def _own_way(asked: Request) -> str:
    name = paths.split(asked.path)[1]
    ways = {"ties": f"remove the tie for '{asked.path}'", "declare": f'tn.get_parameter("{name}", …)'}
    return "own it instead:  " + ways.get(asked.source.origin, f'share={{"{name}": None}}')


def _shape_ways(asked: Request, shape: tuple[int, ...], owner: Slot) -> list[str]:
    found = fitting_view(shape, asked.shape)
    if found is None:
        return [f"give '{asked.path}' the size that fits: no view leads from {shape} to {asked.shape}", _own_way(asked)]
    how, view = found
    how = "use one layer of the stack" if view == "index(0)" and owner.stack else how
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
