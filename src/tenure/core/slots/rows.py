"""What the ledger tells of slots."""

from __future__ import annotations

import dataclasses
import math

from tenure.core.ledger.ledger import Ledger
from tenure.core.ledger.row import Row
from tenure.core.notation.refs import follow
from tenure.core.notation.view import View
from tenure.core.slots.link import owners_first
from tenure.core.slots.slot import Slot, Slots

Chain = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]  # owners, slots from the user to the owner, views


def ledger_of(slots: Slots, states: Slots) -> Ledger:
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
