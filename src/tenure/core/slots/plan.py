"""The plan: what a model is, for inputs of certain shapes; and the ledger that tells of its slots."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any

import jax

from tenure.core.ledger.ledger import Ledger
from tenure.core.ledger.row import Row
from tenure.core.notation.refs import follow
from tenure.core.notation.view import View
from tenure.core.picklable import check_picklable
from tenure.core.slots.link import owners_first
from tenure.core.slots.slot import Slot, Slots
from tenure.core.slots.table import Staged, Table
from tenure.core.trees import nest


class Plan:
    """A model for inputs of certain shapes: what it asks for, who owns it, and what comes out. A plan holds shapes and no arrays.

    Attributes:
      slots, states: what was asked for, linked.
      out: the shapes of what the function returns.
      ties, stages: the model's ties and stages as they were given.
      axes: the mapped axes that nobody mapped while planning.

    >>> import jax.numpy as jnp, tenure as tn
    >>> tn.transform(lambda x: tn.nn.Linear(3)(x)).plan(jnp.ones((2, 4)))
    Plan(2 owners, 2 slots, 15 parameters)
    """

    def __init__(
        self, slots: Slots, states: Slots, out: Any, ties: Mapping[str, Any], stages: Mapping[str, Any] | None = None
    ):
        """Binds what planning found.

        Args:
          slots: of parameters, by path.
          states: slots of states, by path.
          out: shapes and dtypes of the result.
          ties: as given to `transform`.
          stages: as given to `transform`.
        """
        self.slots, self.states, self.out = slots, states, out
        self.ties, self.stages = dict(ties), dict(stages or {})
        self.axes: tuple[str, ...] = ()
        self.recipes: dict[Any, Any] = {}  # what is done to each staged value, once a run has needed it

    def __reduce__(self) -> Any:
        check_picklable(None, {p: s.target for p, s in self.slots.items()} | self.ties, self.stages)
        return Plan, (self.slots, self.states, self.out, self.ties, self.stages)

    def __deepcopy__(self, memo: Any) -> Plan:
        return self  # nothing of it changes

    @functools.cached_property
    def ledger(self) -> Ledger:
        """Who owns and who borrows."""
        return _ledger_of(self.slots, self.states)

    @functools.cached_property
    def plain(self) -> bool:
        """Whether every parameter and state is simply owned: nothing is borrowed or given, and nothing has stages."""
        every = (*self.slots.values(), *self.states.values())
        return not self.ties and all(slot.kind == "owned" and not slot.staged for slot in every)

    @functools.cached_property
    def gives(self) -> bool:
        """Whether a parameter is a value that the program computes, and hands over in each run."""
        return any(slot.kind == "given" for slot in self.slots.values())

    @functools.cached_property
    def table(self) -> Table:
        """How each slot's value is made."""
        return Table(self.slots)

    @functools.cached_property
    def staged(self) -> dict[Staged, bool]:
        """The values that go through stages in a run → whether one is used inside of a loop."""
        return self.table.staged() if any(slot.staged for slot in self.slots.values()) else {}

    @functools.cached_property
    def parts(self) -> frozenset[str]:
        """The leaves, and states, that stages keep."""
        return frozenset(path for slot in self.slots.values() for path in slot.parts.values())

    @functools.cached_property
    def covered(self) -> frozenset[str]:
        """The leaves that only stages read."""
        return self.parts | {path for path, slot in self.slots.items() if slot.stages}

    @functools.cached_property
    def params(self) -> dict[str, dict[str, Any]]:
        """The owners' shapes, as `init` will return them."""
        owners = {p: s for p, s in self.slots.items() if s.kind == "owned"}
        return nest({p: jax.ShapeDtypeStruct(s.full_shape, s.full_dtype) for p, s in owners.items()})

    @functools.cached_property
    def state(self) -> dict[str, dict[str, Any]]:
        """The states' shapes, likewise."""
        owners = {p: s for p, s in self.states.items() if s.kind == "owned"}
        return nest({p: jax.tree.map(functools.partial(_in_layers, s), s.value) for p, s in owners.items()})

    def report(self, **options: Any) -> str:
        """The ledger as a text table; the options are those of `Ledger.table`."""
        return self.ledger.table(**options)

    def __repr__(self) -> str:
        owners, slots = len(self.ledger.owners), len(self.ledger.rows)
        return f"Plan({owners} owners, {slots} slots, {self.ledger.count():,} parameters)"


def _in_layers(slot: Slot, one: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(slot.layers + one.shape, one.dtype)


Chain = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]  # owners, slots from the user to the owner, views


def _ledger_of(slots: Slots, states: Slots) -> Ledger:
    """The ledger of linked slots."""
    rows = []
    for table in (slots, states):
        chains: dict[str, Chain] = {}
        for slot in owners_first(table):
            chains[slot.path] = _chain(slot, chains)
        rows += [_row(slot, *chains[slot.path]) for slot in table.values()]
    return Ledger(rows)


def _chain(slot: Slot, known: dict[str, Chain]) -> Chain:
    """The owners of a slot's value, the slots on the way to the (first) owner, and all views on the way."""

    def step(view: View, found: Chain, others: list[Chain]) -> Chain:
        owners = found[0] + tuple(owner for other in others for owner in other[0])
        return owners, found[1], (*found[2], str(view))

    if slot.target is None:
        return (slot.path,), (slot.path,), ()
    owners, chain, steps = follow(slot.target, lambda ref: known[ref.path], step)
    return tuple(dict.fromkeys(owners)), (slot.path, *chain), steps


def _row(slot: Slot, owners: tuple[str, ...], chain: tuple[str, ...], steps: tuple[str, ...]) -> Row:
    source, owned, notes = slot.source, slot.kind == "owned", list(slot.notes)
    if source.hides is not None:
        notes.append(f"{source.origin} overrides {source.hides.origin}='{source.hides.ref or source.hides.kind}'")
    if not owned and slot.explicit_init:
        notes.append("its own initialiser is not used")
    if any("⟨" in step for step in steps):
        notes.append("not serialisable: a Python function as view")
    return Row(
        path=slot.path,
        kind=slot.kind,
        collection=slot.collection,
        shape=slot.full_shape if owned else slot.shape,
        dtype=str(slot.full_dtype),
        owners=owners,
        chain=chain,
        views=steps,
        borrows=str(dataclasses.replace(slot.target, absolute=False)) if slot.target else "",
        axes=slot.axes,
        origin=source.origin or ("declare" if slot.declared else ""),
        asker=slot.asker,
        site=str(slot.site),
        notes=tuple(notes),
        layers=1 if owned else math.prod(slot.layers),
        stages=(*map(str, slot.stages), *(f"on_use({stage})" for stage in slot.use_stages)),
        part_of=slot.part_of,
        stage=slot.stage,
        frozen=slot.frozen,
    )
