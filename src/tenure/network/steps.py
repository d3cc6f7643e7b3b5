"""Drivers of a loop's step: over known frames with `scan`, or until all hypotheses have ended with `while_loop`.

A step is a pure function `(carry, number, frames) → (carry, given)`. `given` is what is kept of the step; the drivers
stack it over the steps.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from tenure import functional
from tenure.core.run import transformations as lifting
from tenure.core.run.frame import current_frame

Step = Callable[[Any, Any, Any], tuple[Any, Any]]


class Sequences(Protocol):
    """The sequences of a batch, or some of them, as a search makes steps with them; see `layers/loop_compaction.py`.

    Attributes:
      step: one step.
      frames: arrays with the steps in front.
      few: with how many sequences the search goes on when no more are left; None if it always goes on with all.
    """

    step: Step
    frames: Any
    few: int | None

    def fewer(self, rows: Any, carry: Any, room: Any) -> Any:
        """A context with the sequences `rows` alone, and with the carry and the room of theirs."""

    def put(self, rows: Any, old: Any, new: Any) -> Any:
        """The carry and the room after the last step, of which those of the sequences `rows` are new."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Hypotheses:
    """What a search knows of its hypotheses from step to step, each [beam, batch].

    Attributes:
      scores: logarithms of their probabilities.
      ended: whether they have ended.
      lengths: their numbers of labels.
      origin: which hypothesis of the beam around the loop they continue.
    """

    scores: Any
    ended: Any
    lengths: Any
    origin: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Carry:
    """What goes from one step to the next.

    Attributes:
      outputs: of layers that a `prev:` names.
      states: of layers that keep one.
      hypotheses: of a search, or of a loop that ends by itself; None if neither.
    """

    outputs: dict[str, Any]
    states: dict[str, dict[str, Any]]
    hypotheses: Hypotheses | None = None


def over_frames(step: Step, carry: Carry, frames: Any, length: int, *, remat: int | bool = False) -> tuple[Carry, Any]:
    """All steps of a loop whose number is known.

    Args:
      step: one step.
      carry: before the first one.
      frames: arrays with the steps in front.
      length: the number of steps.
      remat: whether the gradient computes the steps once more, in chunks of so many; see `functional.scan`.

    Returns:
      The carry after the last step, and what each step gave.
    """

    def body(carry: Carry, inputs: Any) -> Any:
        return step(carry, *inputs)

    return lifting.scan(body, carry, (jnp.arange(length, dtype=jnp.int32), frames), run=_saving(remat))


def _saving(remat: int | bool) -> Callable[..., Any]:
    return functools.partial(functional.scan, remat=remat)


def until_ended(
    sequences: Sequences,
    carry: Carry,
    limit: Any,
    capacity: int,
    done: Callable[[Carry, Any], Any],
    *,
    gradients: bool,
    remat: int | bool = False,
) -> tuple[Carry, Any, Any, Any]:
    """Steps until all hypotheses have ended, at most `limit`.

    Args:
      sequences: with which steps are made.
      carry: before the first one.
      limit: the most steps; may be traced.
      capacity: how many there is room for.
      done: of the carry and the number of steps so far, for each sequence whether nothing that comes later changes the result.
      gradients: whether the result is differentiated, for which all steps have to be kept.
      remat: whether the gradient computes the steps once more, in chunks of so many.

    Returns:
      The carry after the last step, what each step gave (the rest is zeros), the number of steps, and that of each sequence, or
      of all of them.
    """
    frame = current_frame("a loop")
    limit = jnp.asarray(limit, jnp.int32)
    step, frames = sequences.step, sequences.frames

    def at(frames: Any, t: Any) -> Any:
        return jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, t, keepdims=False), frames)

    if gradients or frame.deferred:

        def body(state: Any, inputs: Any) -> Any:
            old, n = state
            active = (inputs[0] < limit) & ~jnp.all(done(old, inputs[0]))
            new, given = step(old, *inputs)
            new = jax.tree.map(lambda a, b: jnp.where(active, a, b), new, old)
            return (new, n + active), given

        start = (carry, jnp.zeros((), jnp.int32))
        inputs = (jnp.arange(capacity, dtype=jnp.int32), frames)
        (carry, n), given = lifting.scan(body, start, inputs, length=capacity, run=_saving(remat))
        return carry, given, n, n

    none = jnp.zeros((), jnp.int32)
    if frame.planning or not capacity:
        first = step(carry, none, jax.tree.map(lambda x: jnp.zeros(x.shape[1:], x.dtype), frames))
        room = jax.tree.map(lambda x: jnp.broadcast_to(x, (capacity, *x.shape)), first[1])
        return carry, room, none, none
    shapes = lifting.eval_shape(lambda c: step(c, none, at(frames, 0))[1], carry)
    room = jax.tree.map(lambda x: jnp.zeros((capacity, *x.shape), x.dtype), shapes)

    def search(of: Sequences, t: Any, carry: Carry, room: Any) -> Any:
        def one(state: Any) -> Any:
            t, carry, room = state
            carry, given = of.step(carry, t, at(of.frames, t))
            room = jax.tree.map(lambda r, x: jax.lax.dynamic_update_index_in_dim(r, x, t, 0), room, given)
            return t + 1, carry, room

        def going(state: Any) -> Any:
            t, carry, _ = state
            over = done(carry, t)
            return (t < limit) & (~jnp.all(over) if of.few is None else jnp.sum(~over) > of.few)

        t, carry, room = lifting.while_loop(going, one, (t, carry, room), run=functional.while_loop)
        if of.few is None:
            return t, carry, room, t
        over = done(carry, t)
        rows = jnp.argsort(over, stable=True)[: of.few]  # first those that go on
        with of.fewer(rows, carry, room) as (some, some_carry, some_room):
            last, some_carry, some_room, ends = search(some, t, some_carry, some_room)
        carry, room = of.put(rows, (carry, room), (some_carry, some_room))
        return last, carry, room, jnp.full(over.shape, t).at[rows].set(ends)

    n, carry, room, ends = search(sequences, none, carry, room)
    return carry, room, n, ends


def trace_back(pointers: Any, n: Any, last: Any) -> tuple[Any, Any]:
    """Which hypothesis of each step the final ones come from.

    Args:
      pointers: [T, beam, batch], for each hypothesis after a step the one before it that it continues.
      n: the number of steps that were made, of all sequences or of each.
      last: the final hypotheses [beam, batch].

    Returns:
      [T, beam, batch], and the hypotheses before the first step.
    """
    steps = jnp.arange(pointers.shape[0], dtype=jnp.int32)

    def back(index: Any, inputs: Any) -> Any:
        t, pointer = inputs
        before = jnp.where(t < n, jnp.take_along_axis(pointer, index, axis=0), index)
        return before, index

    first, path = jax.lax.scan(back, last, (steps, pointers), reverse=True)
    return path, first
