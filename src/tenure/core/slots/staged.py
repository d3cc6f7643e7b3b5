"""Which values go through stages in a run of a model: a slot, how far through its stages, in which mode."""

from __future__ import annotations

from typing import NamedTuple

from tenure.core.slots.slot import Slot

FINAL, WEIGHT, STORED, USE = "final", "weight", "stored", "use"


class Want(NamedTuple):
    """A slot's value after its stages as far as `tap`, in training or in evaluation."""

    path: str
    tap: str
    training: bool

    @property
    def key(self) -> str:
        """Its name among a layer stack's leaves: '@' stands in no path."""
        return f"{self.path}@{self.tap}" if self.training else f"{self.path}@{self.tap}@evaluation"


def wanted(slots: dict[str, Slot]) -> dict[Want, bool]:
    """The values that go through stages in a run of a plan with these slots → whether one is used inside of a loop."""
    found: dict[Want, bool] = {}

    def want(path: str, tap: str, training: bool, inside: bool) -> None:
        slot = slots[path]
        name = Want(path, FINAL if tap == USE and not slot.use_stages else tap, training)
        if slot.use_stages and tap == USE and slot.kind != "given":
            found[name] = found.get(name, False) or inside
            want(path, FINAL, training, inside)
        elif slot.kind == "borrowed":
            assert slot.target is not None
            for ref in (slot.target, *slot.target.others()):
                want(ref.path, ref.tap or (FINAL if tap == USE else tap), training, inside)
        elif slot.kind == "owned" and slot.stages:
            found[name] = found.get(name, False) or inside

    for slot in slots.values():
        for training, inside in slot.modes:
            want(slot.path, USE, training, inside)
    return found
