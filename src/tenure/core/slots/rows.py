"""What the ledger tells of slots."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from tenure.core.ledger.ledger import Ledger
from tenure.core.ledger.row import Row
from tenure.core.slots.slot import Slot


def row_of(slot: Slot, slots: Mapping[str, Slot]) -> Row:
    """The row of a slot, among all that are linked."""
    owners, chain, steps = _follow(slot, slots)
    notes = list(slot.notes)
    if slot.source.hides is not None:
        notes.append(
            f"{slot.source.origin} overrides {slot.source.hides.origin}='{slot.source.hides.ref or slot.source.hides.kind}'"
        )
    if slot.kind != "owned" and slot.explicit_init:
        notes.append("its own initialiser is not used")
    if any("⟨" in step for step in steps):
        notes.append("not serialisable: a Python function as view")
    return Row(
        slot.path,
        slot.kind,
        slot.collection,
        slot.full_shape if slot.kind == "owned" else slot.shape,
        str(slot.full_dtype),
        owners,
        chain,
        steps,
        str(dataclasses.replace(slot.target, absolute=False)) if slot.target else "",
        slot.axes,
        slot.source.origin or ("declare" if slot.declared else ""),
        slot.asker,
        str(slot.site),
        tuple(notes),
        math.prod(n for _, n in slot.stack) if slot.kind != "owned" else 1,
        (*map(str, slot.stages), *(f"on_use({stage})" for stage in slot.use_stages)),
        slot.part_of,
        slot.stage,
        slot.frozen,
    )


def _follow(slot: Slot, slots: Mapping[str, Slot]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Owners, chain and views of a slot."""
    if slot.target is None:
        return (slot.path,), (slot.path,), ()
    owners, chain, steps = _follow(slots[slot.target.path], slots)
    for other in slot.target.others():
        owners += _follow(slots[other.path], slots)[0]
    return tuple(dict.fromkeys(owners)), (slot.path, *chain), steps + tuple(map(str, slot.target.views))


def ledger_of(slots: Mapping[str, Slot], states: Mapping[str, Slot]) -> Ledger:
    """The ledger of linked slots."""
    return Ledger([row_of(s, table) for table in (slots, states) for s in table.values()])
