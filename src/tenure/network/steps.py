"""Drivers of a loop's step: over known frames with `scan`, or until all hypotheses have ended with `while_loop`.

A step is a pure function `(carry, number, frames) → (carry, given)`. `given` is what is kept of the step; the drivers
stack it over the steps.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tenure import functional
from tenure.core.run import transformations as lifting
from tenure.core.run.frame import current_frame

Step = Callable[[Any, Any, Any], tuple[Any, Any]]


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
    step: Step,
    carry: Carry,
    frames: Any,
    limit: Any,
    capacity: int,
    done: Callable[[Carry, Any], Any],
    *,
    gradients: bool,
    remat: int | bool = False,
) -> tuple[Carry, Any, Any]:
    """Steps until all hypotheses have ended, at most `limit`.

    Args:
      step: one step.
      carry: before the first one.
      frames: arrays with `capacity` steps in front.
      limit: the most steps; may be traced.
      capacity: how many there is room for.
      done: of the carry and the number of steps so far, whether nothing that comes later changes the result.
      gradients: whether the result is differentiated, for which all steps have to be kept.
      remat: whether the gradient computes the steps once more, in chunks of so many.

    Returns:
      The carry after the last step, what each step gave (the rest is zeros), and the number of steps.
    """
    frame = current_frame("a loop")
    limit = jnp.asarray(limit, jnp.int32)

    def at(t: Any) -> Any:
        return jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, t, keepdims=False), frames)

    def going(t: Any, carry: Carry) -> Any:
        return (t < limit) & ~done(carry, t)

    if gradients or frame.deferred:

        def body(state: Any, inputs: Any) -> Any:
            old, n = state
            active = going(inputs[0], old)
            new, given = step(old, *inputs)
            new = jax.tree.map(lambda a, b: jnp.where(active, a, b), new, old)
            return (new, n + active), given

        start = (carry, jnp.zeros((), jnp.int32))
        inputs = (jnp.arange(capacity, dtype=jnp.int32), frames)
        (carry, n), given = lifting.scan(body, start, inputs, length=capacity, run=_saving(remat))
        return carry, given, n

    if frame.planning or not capacity:
        first = step(carry, jnp.zeros((), jnp.int32), jax.tree.map(lambda x: jnp.zeros(x.shape[1:], x.dtype), frames))
        room = jax.tree.map(lambda x: jnp.broadcast_to(x, (capacity, *x.shape)), first[1])
        return carry, room, jnp.zeros((), jnp.int32)
    shapes = lifting.eval_shape(lambda c: step(c, jnp.zeros((), jnp.int32), at(0))[1], carry)
    room = jax.tree.map(lambda x: jnp.zeros((capacity, *x.shape), x.dtype), shapes)

    def one(state: Any) -> Any:
        t, carry, room = state
        carry, given = step(carry, t, at(t))
        room = jax.tree.map(lambda r, x: jax.lax.dynamic_update_index_in_dim(r, x, t, 0), room, given)
        return t + 1, carry, room

    before = (jnp.zeros((), jnp.int32), carry, room)
    n, carry, room = lifting.while_loop(lambda s: going(s[0], s[1]), one, before, run=functional.while_loop)
    return carry, room, n


def trace_back(pointers: Any, n: Any, last: Any) -> tuple[Any, Any]:
    """Which hypothesis of each step the final ones come from.

    Args:
      pointers: [T, beam, batch], for each hypothesis after a step the one before it that it continues.
      n: the number of steps that were made.
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
