"""What the ledger tells of slots."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from tenure.core.ledger.ledger import Ledger
from tenure.core.ledger.row import Row
from tenure.core.notation.refs import follow
from tenure.core.notation.view import View
from tenure.core.slots.slot import Slot


def row_of(slot: Slot, slots: Mapping[str, Slot], known: dict[str, Chain] | None = None) -> Row:
    """The row of a slot, among all that are linked; `known` remembers chains from row to row."""
    asked, source = slot.request, slot.source
    owners, chain, steps = _chain(slot, slots, {} if known is None else known)
    notes = list(slot.notes)
    if source.hides is not None:
        notes.append(f"{source.origin} overrides {source.hides.origin}='{source.hides.ref or source.hides.kind}'")
    if slot.kind != "owned" and asked.explicit_init:
        notes.append("its own initialiser is not used")
    if any("⟨" in step for step in steps):
        notes.append("not serialisable: a Python function as view")
    return Row(
        path=slot.path,
        kind=slot.kind,
        collection=slot.collection,
        shape=slot.full_shape if slot.kind == "owned" else slot.shape,
        dtype=str(slot.full_dtype),
        owners=owners,
        chain=chain,
        views=steps,
        borrows=str(dataclasses.replace(slot.target, absolute=False)) if slot.target else "",
        axes=slot.axes,
        origin=source.origin or ("declare" if asked.declared else ""),
        asker=asked.asker,
        site=str(asked.site),
        notes=tuple(notes),
        layers=math.prod(slot.layers) if slot.kind != "owned" else 1,
        stages=(*map(str, slot.stages), *(f"on_use({stage})" for stage in slot.use_stages)),
        part_of=slot.part_of,
        stage=slot.stage,
        frozen=slot.frozen,
    )


Chain = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]  # owners, slots from the user to the owner, views


def _chain(slot: Slot, slots: Mapping[str, Slot], known: dict[str, Chain]) -> Chain:
    """The owners of a slot's value, the slots on the way to the (first) owner, and all views on the way.

    `known` remembers what has been found, so that long chains take neither long nor recursion.
    """

    def step(view: View, found: Chain, others: list[Chain]) -> Chain:
        owners = found[0] + tuple(owner for other in others for owner in other[0])
        return owners, found[1], (*found[2], str(view))

    todo = [slot]
    while todo:
        one = todo[-1]
        lenders = () if one.target is None else (one.target, *one.target.others())
        missing = [slots[ref.path] for ref in lenders if ref.path not in known]
        if missing:
            todo += missing
            continue
        todo.pop()
        if one.target is None:
            known[one.path] = (one.path,), (one.path,), ()
        else:
            owners, chain, steps = follow(one.target, lambda ref: known[ref.path], step)
            known[one.path] = tuple(dict.fromkeys(owners)), (one.path, *chain), steps
    return known[slot.path]


def ledger_of(slots: Mapping[str, Slot], states: Mapping[str, Slot]) -> Ledger:
    """The ledger of linked slots."""
    rows = []
    for table in (slots, states):
        known: dict[str, Chain] = {}
        rows += [row_of(slot, table, known) for slot in table.values()]
    return Ledger(rows)
