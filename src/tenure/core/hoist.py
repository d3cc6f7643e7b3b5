"""Stages in a run: each is applied once, before the function starts, at the outermost trace.

What a `scan`, a `vmap` or a `while_loop` inside of the function uses is then an outer value like any other, and all users
of a parameter have the same sample. Which values are wanted is known from the plan; a run that meets a stage before
there is a plan starts again with one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from tenure.core import rng
from tenure.core.errors import MissingRNGError
from tenure.core.frame import Frame, Mode
from tenure.core.stage import STOCHASTIC, STRUCTURAL, Run, Stage

if TYPE_CHECKING:
    from tenure.core.slot import Slot

FINAL, WEIGHT, STORED, USE = "final", "weight", "stored", "use"


class NeedsPlan(BaseException):
    """A run that has met a stage must start again with a plan; never seen by a user."""


def key(path: str, tap: str, training: bool) -> str:
    """The name of a staged value: '@' stands in no path."""
    return f"{path}@{tap}" if training else f"{path}@{tap}@evaluation"


def wanted(slots: dict[str, Slot]) -> frozenset[str]:
    """The values that go through stages in a run of a plan with these slots."""
    found: set[str] = set()

    def want(path: str, tap: str, training: bool) -> None:
        slot = slots[path]
        if slot.kind == "borrowed":
            if slot.use_stages and tap == USE:
                found.add(key(path, USE, training))
                return
            assert slot.target is not None
            for ref in (slot.target, *slot.target.others()):
                want(ref.path, ref.tap or (FINAL if tap == USE else tap), training)
        elif slot.kind == "owned" and (slot.stages or (slot.use_stages and tap == USE)):
            found.add(key(path, tap if tap != USE or slot.use_stages else FINAL, training))

    for slot in slots.values():
        for training in slot.modes:
            want(slot.path, USE, training)
    return frozenset(found)


def hoist(frame: Frame) -> None:
    """Applies all stages of the frame's plan.

    Raises:
      MissingRNGError: a stochastic stage is to draw, and `apply` was given no key.
    """
    frame.staged = {}
    parts = {path for slot in frame.plan.slots.values() for path in slot.parts.values()}
    for layer in frame.layers:  # state that only stages know: loops need not carry it
        for entry in [e for e in layer if e[0] == "state" and e[1] in parts]:
            layer["stage", entry[1]] = layer.pop(entry)
    for name in sorted(frame.plan.staged):
        path, tap, *evaluation = name.split("@")
        produce(frame, path, tap, not evaluation)


def staged(frame: Frame, path: str, tap: str) -> Any:
    """A slot's value after its stages, as far as `tap`; None if it has none."""
    for name in [key(path, tap, frame.training)] + [key(path, FINAL, frame.training)] * (tap == USE):
        for overlay in reversed(frame.overlays):
            if name in overlay.params:
                return overlay.params[name]
        if frame.staged and name in frame.staged:
            return frame.staged[name]
    return None


def produce(frame: Frame, path: str, tap: str, training: bool) -> Any:
    """Computes a slot's value as far as `tap`, and remembers it."""
    from tenure.core import values

    slot, name = frame.plan.slots[path], key(path, tap, training)
    if frame.staged is not None and name in frame.staged:
        return frame.staged[name]
    structural = [s for s in slot.stages if s.kind == STRUCTURAL]
    if tap == USE:
        mode, frame.training = frame.training, training
        try:
            value = values.evaluate(frame, path, FINAL)
        finally:
            frame.training = mode
        value = _run(frame, slot, slot.use_stages, value, training, draws=training)
    elif tap == STORED:
        value = values.leaf(frame, slot)
    elif tap == WEIGHT or not training:
        value = _run(frame, slot, structural, values.leaf(frame, slot), training, draws=False)
    elif any(s.draws for s in structural):
        value = _run(frame, slot, slot.stages, values.leaf(frame, slot), True, draws=True)
    else:
        rest = [s for s in slot.stages if s.kind != STRUCTURAL]
        value = _run(frame, slot, rest, produce(frame, path, WEIGHT, True), True, draws=True)
    if frame.staged is not None:
        frame.staged[name] = value
    return value


def given(frame: Frame, slot: Slot, value: Any) -> Any:
    """A computed value through the stages of its slot, where it is handed over; kept for those who borrow it."""
    training = frame.training and frame.mode is Mode.APPLY
    final = _run(frame, slot, slot.stages, value, training, draws=training)
    use = _run(frame, slot, slot.use_stages, final, training, draws=training)
    frame.given[slot.path] = {STORED: value, WEIGHT: value, FINAL: final, USE: use}
    return use


def _run(frame: Frame, slot: Slot, stages: Iterable[Stage], value: Any, training: bool, draws: bool) -> Any:
    """`value` through `stages`, layer by layer where the slot is in a layer stack."""
    from tenure.core import values

    acting = [s for s in stages if s.kind == STRUCTURAL or (s.kind == STOCHASTIC and draws)]
    if not acting:
        return value
    labels = {s.label for s in acting}
    parts = {w: values.part(frame, slot, path) for w, path in slot.parts.items() if w[0] in labels}

    def one(value: Any, parts: Any, indices: tuple[Any, ...]) -> Any:
        updates: dict[tuple[str, str], Any] = {}
        for stage in acting:
            mine = {suffix: array for (label, suffix), array in parts.items() if label == stage.label}
            run = Run(training, draws, _drawer(frame, slot, stage, indices), slot.specs[stage.label])
            value, new = _step(stage, value, mine, run)
            updates.update({(stage.label, suffix): array for suffix, array in new.items()})
        return value, updates

    active = {overlay.prefix for overlay in frame.overlays}
    sizes = [size for prefix, size in slot.stack if prefix not in active]
    value, updates = _over_layers(one, sizes)(value, parts, ())
    for where, array in updates.items():
        if training and ("stage", slot.parts[where]) in frame.layers[0]:
            frame.layers[0]["stage", slot.parts[where]] = array
    return value


def _step(stage: Stage, value: Any, parts: Any, run: Run) -> tuple[Any, dict[str, Any]]:
    def forward(value: Any, parts: Any) -> Any:
        run.updates.clear()
        out = stage.forward(value, parts, run)
        return out, dict(run.updates)

    if stage.arguments["remat"]:
        return jax.checkpoint(forward)(value, parts)
    return forward(value, parts)


def _over_layers(one: Callable[..., Any], sizes: list[int]) -> Callable[..., Any]:
    """Maps a function of (value, parts, indices) over the layers of the stacks."""
    if not sizes:
        return one

    def run(value: Any, parts: Any, indices: tuple[Any, ...]) -> Any:
        inner = _over_layers(one, sizes[1:])
        steps = jnp.arange(sizes[0], dtype=jnp.uint32)
        return jax.vmap(lambda v, p, i: inner(v, p, (*indices, i)))(value, parts, steps)

    return run


def _drawer(frame: Frame, slot: Slot, stage: Stage, indices: tuple[Any, ...]) -> Callable[[str], jax.Array]:
    def draw(part: str = "") -> jax.Array:
        if frame.keys is None:
            raise MissingRNGError(
                f"the stage '{stage}' of '{slot.path}' needs a random key, and none was given to apply",
                parties=[slot.party("owner")],
                ways=[
                    "give one:  model.apply(params, jax.random.key(0), …)",
                    "to evaluate, without noise and dropout:  tn.evaluation(model).apply(params, None, …)",
                ],
            )
        keys = rng.Keys(frame.keys.root, indices)
        return keys.draw(f"{slot.path}:{stage.label}:{part}" if part else f"{slot.path}:{stage.label}")

    return draw
