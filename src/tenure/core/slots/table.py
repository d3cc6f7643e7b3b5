"""How each slot's value is made: resolved once for a plan, and read by all its runs.

A `How` is a tree: at its leaves what is stored or given, above them views and stages in the order in which they act.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator

from tenure.core.notation.refs import follow
from tenure.core.notation.stage import STRUCTURAL, Stage
from tenure.core.notation.view import View
from tenure.core.slots.link import owners_first
from tenure.core.slots.slot import Slot, Slots

# How far through a slot's stages: before all, before noise and dropout, after all, and after those of the use as well.
STORED, WEIGHT, FINAL, USE = "stored", "weight", "final", "use"


@dataclasses.dataclass(frozen=True, eq=False)
class Stored:
    """What params hold for an owner."""

    slot: Slot


@dataclasses.dataclass(frozen=True, eq=False)
class Given:
    """A value that the program computed, as far through its stages as `tap`."""

    slot: Slot
    tap: str


@dataclasses.dataclass(frozen=True, eq=False)
class Viewed:
    """A value through a view, with the further values that the view joins."""

    base: How
    view: View
    others: tuple[How, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class PerLayer:
    """A borrower inside layer stacks: from outside of them, its values in all layers."""

    slot: Slot
    inner: How


@dataclasses.dataclass(frozen=True, eq=False)
class Staged:
    """A value through stages; made once in a run, whoever uses it.

    Attributes:
      slot: whose value it is.
      tap, training: as far as that, in training or in evaluation.
      source: what the stages are applied to.
      stages: in their order.
      draws: whether stochastic stages draw.
    """

    slot: Slot
    tap: str
    training: bool
    source: How
    stages: tuple[Stage, ...]
    draws: bool

    @functools.cached_property
    def key(self) -> str:
        """Its name among a layer stack's leaves: '@' stands in no path."""
        key = f"{self.slot.path}@{self.tap}"
        return key if self.training else f"{key}@evaluation"


How = Stored | Given | Viewed | PerLayer | Staged


class Table:
    """The ways of all slots, by (path, tap, training)."""

    def __init__(self, slots: Slots):
        self.slots = slots
        self._ways: dict[tuple[str, str, bool], How] = {}
        lenders = [ref for slot in slots.values() for ref in slot.lenders]
        self._tapped = {ref.path for ref in lenders if ref.tap == WEIGHT}
        for slot in owners_first(slots) if lenders else ():  # without recursion: chains may be long
            for tap, training in itertools.product((STORED, WEIGHT, FINAL), (True, False)):
                self.how(slot.path, tap, training)

    def how(self, path: str, tap: str, training: bool) -> How:
        """How a slot's value is made, as far through its stages as `tap`."""
        key = path, tap, training
        if key not in self._ways:
            self._ways[key] = self._resolved(self.slots[path], tap, training)
        return self._ways[key]

    def handed(self, slot: Slot, tap: str, training: bool) -> Staged:
        """How a computed value goes through the stages of its slot, where the program hands it over: to FINAL, and on to USE."""
        key = slot.path, f"handed {tap}", training
        if key not in self._ways:
            stages = slot.stages if tap == FINAL else slot.use_stages
            self._ways[key] = Staged(slot, tap, training, Given(slot, STORED), stages, training)
        return self._ways[key]  # type: ignore[return-value]

    def _resolved(self, slot: Slot, tap: str, training: bool) -> How:
        if slot.kind == "given":
            return Given(slot, tap)
        if tap == USE:
            final = self.how(slot.path, FINAL, training)
            return Staged(slot, USE, training, final, slot.use_stages, training) if slot.use_stages else final
        if slot.target is not None:
            seen: How = follow(
                slot.target,
                lambda ref: self.how(ref.path, ref.tap or tap, training),
                lambda view, base, others: Viewed(base, view, tuple(others)),
            )
            return PerLayer(slot, seen) if slot.stack else seen
        stored = Stored(slot)
        if not slot.stages:
            return stored
        structural = tuple(s for s in slot.stages if s.kind == STRUCTURAL)
        if tap == STORED:  # through no stage, but made once as well: a layer of a stack gets its slice of it
            return Staged(slot, tap, training, stored, (), draws=False)
        if tap == WEIGHT or not training:
            return Staged(slot, tap, training, stored, structural, draws=False)
        if any(s.draws for s in structural) or slot.path not in self._tapped:
            return Staged(slot, tap, training, stored, slot.stages, draws=True)
        rest = tuple(s for s in slot.stages if s.kind != STRUCTURAL)
        return Staged(slot, tap, training, self.how(slot.path, WEIGHT, True), rest, draws=True)

    def staged(self) -> dict[Staged, bool]:
        """The staged values that the requests of the slots need → whether one is used inside of a loop."""
        found: dict[Staged, bool] = {}
        for slot in self.slots.values():
            for training, inside in slot.modes:
                for way in _staged_in(self.how(slot.path, USE, training)):
                    found[way] = found.get(way, False) or inside
        return found


def _staged_in(way: How) -> Iterator[Staged]:
    """The staged values that a value is made of, those that others are made of first."""
    found: list[Staged] = []
    todo: list[How] = [way]
    while todo:  # without recursion: chains may be long
        one = todo.pop()
        if isinstance(one, Staged):
            found.append(one)
            todo.append(one.source)
        elif isinstance(one, Viewed):
            todo += [one.base, *one.others]
        elif isinstance(one, PerLayer):
            todo.append(one.inner)
    return reversed(found)
