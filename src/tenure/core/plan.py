"""Planning: the function is run once, abstractly; then every borrower is linked to its owner and checked."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core import hoist, paths, rng, staging, views
from tenure.core.errors import (
    AxesError,
    CycleError,
    GivenTooLateError,
    LeakedTracerError,
    Party,
    PathSyntaxError,
    TenureError,
    UnknownOwnerError,
    UnusedTieError,
    ViewShapeError,
    nearest,
)
from tenure.core.frame import Frame, Mode
from tenure.core.ledger import Ledger
from tenure.core.refs import Ref
from tenure.core.sites import Site, raised_at
from tenure.core.slot import Slot
from tenure.core.sources import Sources, Wildcard
from tenure.core.trees import nest

Slots = dict[str, Slot]


class Plan:
    """What a model is, for inputs of these shapes; nothing is allocated.

    Attributes:
      slots, states: what was asked for, linked.
      out: the shapes of what the function returns.
      ties, stages: the model's ties and stages as they were given.
    """

    def __init__(
        self, slots: Slots, states: Slots, out: Any, ties: Mapping[str, Any], stages: Mapping[str, Any] | None = None
    ):
        self.slots, self.states, self.out = slots, states, out
        self.ties, self.stages = dict(ties), dict(stages or {})
        self.recipes: dict[Any, Any] = {}  # what `hoist` does to each value, once it is known

    @functools.cached_property
    def ledger(self) -> Ledger:
        """Who owns and who borrows."""
        return Ledger.of(self.slots, self.states)

    @functools.cached_property
    def staged(self) -> dict[hoist.Want, bool]:
        """What goes through stages in a run → whether it is used inside of a loop."""
        return hoist.wanted(self.slots)

    @functools.cached_property
    def staged_as(self) -> dict[hoist.Want, hoist.Want]:
        """What a run may ask for → the staged value that it gets: a slot without stages for its use gets the final one."""
        same = {want: want for want in self.staged}
        final = [want for want in self.staged if want.tap == hoist.FINAL and not self.slots[want.path].use_stages]
        return same | {want._replace(tap=hoist.USE): want for want in final}

    @functools.cached_property
    def covered(self) -> frozenset[str]:
        """The leaves that only stages read."""
        staged = (s for s in self.slots.values() if s.stages or s.use_stages)
        return frozenset(p for s in staged for p in ([s.path] * bool(s.stages) + list(s.parts.values())))

    @functools.cached_property
    def params(self) -> dict[str, dict[str, Any]]:
        """The owners' shapes, as `init` will return them."""
        return nest({p: jax.ShapeDtypeStruct(s.full_shape, s.full_dtype) for p, s in _owners(self.slots)})

    @functools.cached_property
    def state(self) -> dict[str, dict[str, Any]]:
        """The states' shapes, likewise."""
        return nest({p: _stacked_struct(s) for p, s in _owners(self.states)})

    def report(self) -> str:
        """The ledger as a text table."""
        return str(self.ledger)

    def __repr__(self) -> str:
        return (
            f"Plan({len(self.ledger.owners)} owners, {len(self.ledger.rows)} slots, {self.ledger.count():,} parameters)"
        )


def _owners(slots: Slots) -> Iterator[tuple[str, Slot]]:
    return ((p, s) for p, s in slots.items() if s.kind == "owned")


def _stacked_struct(slot: Slot) -> Any:
    lead = tuple(n for _, n in slot.stack)
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct(lead + a.shape, a.dtype), slot.value)


def make_plan(
    function: Callable[..., Any],
    sources: Sources,
    ties: Mapping[str, Any],
    args: Any,
    kwargs: Any,
    stages: Mapping[str, Any] | None = None,
    training: bool = True,
) -> Plan:
    """Runs the function abstractly, links its slots, and checks them.

    Raises:
      TenureError: the ties do not hold; the message says which rule broke.
    """
    frame = Frame(Mode.PLAN, sources.fresh(), training=training)
    leaves, tree = jax.tree.flatten((args, kwargs), is_leaf=lambda x: isinstance(x, jax.ShapeDtypeStruct))
    dynamic = [i for i, leaf in enumerate(leaves) if is_array(leaf)]
    static_out: list[Any] = []

    def run(arrays: list[Any]) -> list[Any]:  # a fresh closure: eval_shape remembers functions that it has seen
        filled = list(leaves)
        for i, array in zip(dynamic, arrays, strict=True):
            filled[i] = array
        a, k = jax.tree.unflatten(tree, filled)
        frame.keys = rng.PlanKeys()
        with frame.active():
            out = function(*a, **k)
        frame.release()
        outs, out_tree = jax.tree.flatten(out)
        traced = [isinstance(o, (jax.Array, np.ndarray)) for o in outs]
        static_out.append((out_tree, [None if t else o for o, t in zip(outs, traced, strict=True)], traced))
        return [o for o, t in zip(outs, traced, strict=True) if t]

    try:
        shapes = iter(jax.eval_shape(run, [_spec(leaves[i]) for i in dynamic]))
    except jax.errors.UnexpectedTracerError as e:
        raise leaked(e) from e
    out_tree, statics, traced = static_out[0]
    out = jax.tree.unflatten(out_tree, [next(shapes) if t else s for s, t in zip(statics, traced, strict=True)])
    link(frame.slots, frame.states, frame.sources.stages)
    link(frame.states)
    _check_used(frame)
    return Plan(frame.slots, frame.states, out, ties, stages)


def is_array(leaf: Any) -> bool:
    """Whether an input is planned by its shape; Python numbers, strings and the like stay what they are."""
    return isinstance(leaf, (jax.Array, np.ndarray, jax.ShapeDtypeStruct))


def _spec(leaf: Any) -> jax.ShapeDtypeStruct:
    weak = getattr(leaf, "weak_type", False)
    return jax.ShapeDtypeStruct(
        leaf.shape,
        jax.dtypes.canonicalize_dtype(leaf.dtype)
        if not jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.extended)
        else leaf.dtype,
        weak_type=weak,
    )


def leaked(error: Exception) -> LeakedTracerError:
    """The error of a traced value that is used after its function has returned."""
    made = re.search(r"with type (\S+)[\s\S]*created on line (.+?):(\d+)(?::\d+)? \((.*)\)", str(error))
    what, file, line, function = made.groups() if made else ("", "", "0", "")
    return LeakedTracerError(
        "a traced value is used outside of the function in which it was made",
        parties=[
            Party("made in", function or "(JAX does not say)", what, str(Site(file, int(line), None, 0))),
            Party("used", "", "", str(raised_at(error))),
        ],
        ways=[
            "do not keep arrays of one call (in a global, on self of an object that lives longer) for another call",
            "use tn.jit, tn.vmap, tn.scan, … instead of the jax ones inside of tn.transform",
            "return the value from the function",
        ],
    )


def link(slots: Slots, states: Slots | None = None, rules: staging.Rules | None = None) -> None:
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
        staging.resolve(slots, states, rules)
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


def _check_used(frame: Frame) -> None:
    asked = [paths.plain(path) for path in (*frame.slots, *frame.states)]
    modules = dict.fromkeys(f"{path.rpartition('/')[0]}/*" for path in asked if "/" in path)
    for key, source in frame.sources.unused():
        whole = isinstance(source, Wildcard)
        shown = f"module '{source.lender}'" if isinstance(source, Wildcard) else f"'{source.ref or source.kind}'"
        raise UnusedTieError(
            f"the {source.origin} entry for '{key}' was never used: no module asked for {'any of these' if whole else 'that'}",
            parties=[Party(source.origin, key, f"→ {shown}", str(source.site))],
            near=nearest(key, modules if whole else asked),
            ways=["correct the path", "remove the entry", "print(model.plan(…).ledger) without it shows all paths"],
        )
