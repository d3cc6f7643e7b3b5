"""Running a recurrent core over a sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run import hooks
from tenure.core.run import transformations as lifting
from tenure.core.run.frame import maybe_frame
from tenure.core.run.profile import reproduces
from tenure.functional.explicit_mesh import batched_like, explicit
from tenure.nn.over_time import Recurrence
from tenure.nn.recurrent import RNNCore

Step = Callable[[Any, Any], tuple[Any, Any]]


def static_unroll(core: Step, input_sequence: Any, initial_state: Any, time_major: bool = True) -> tuple[Any, Any]:
    """Calls a core for each time step, one after the other: compile time grows with the sequence.

    Args:
      core: `output, state = core(input, state)`.
      input_sequence: arrays [T, ...], or [B, T, ...] if not `time_major`.
      initial_state: of the core.
      time_major: whether time is the first axis, and not the second.

    Returns:
      The outputs, with time where the inputs have it; and the last state.

    >>> static_unroll(lambda x, total: (total + x, total + x), jnp.arange(4), 0)
    (Array([0, 1, 3, 6], dtype=int32), Array(6, dtype=int32))
    """
    axis = 0 if time_major else 1
    initial_state = batched_like(initial_state, input_sequence, 1 - axis)
    leaves, tree = jax.tree.flatten(input_sequence)
    columns = [jnp.unstack(leaf, axis=axis) for leaf in leaves]
    outputs, state = [], initial_state
    for inputs in zip(*columns, strict=True):
        output, state = core(jax.tree.unflatten(tree, inputs), state)
        outputs.append(output)
    return jax.tree.map(lambda *steps: jnp.stack(steps, axis=axis), *outputs), state


def dynamic_unroll(
    core: Step,
    input_sequence: Any,
    initial_state: Any,
    time_major: bool = True,
    reverse: bool = False,
    return_all_states: bool = False,
    unroll: int | bool = 1,
    *,
    remat: bool | int = False,
) -> tuple[Any, Any]:
    """Calls a core for each time step in a loop that is compiled once. Works outside of a transformed function too.

    The gradients of the matrices of `VanillaRNN`, `LSTM`, `GRU`, `ResetAfterGRU`, the convolutional LSTMs, and of these in a
    `ResetCore`, are each one product over all steps, made after the loop; see `functional.recurrence`. Other cores, and
    these where a method interceptor watches, run step by step.

    Args:
      core: `output, state = core(input, state)`; a module, or a plain function.
      input_sequence: arrays [T, ...], or [B, T, ...] if not `time_major`.
      initial_state: of the core.
      time_major: whether time is the first axis, and not the second.
      reverse: whether to go from the last step to the first. Outputs stay at their inputs' places.
      return_all_states: whether to return the states of all steps instead of the last one.
      unroll: how many steps are in one pass of the loop.
      remat: whether the gradient computes the steps once more instead of keeping what they computed, which needs less
        memory: in chunks of so many steps, for which True takes the square root of all. Cores that run step by step
        keep each step's state.

    Returns:
      The outputs, with time where the inputs have it; and the last state, or all of them.

    >>> dynamic_unroll(lambda x, total: (total + x, total + x), jnp.arange(4), 0)
    (Array([0, 1, 3, 6], dtype=int32), Array(6, dtype=int32))
    """

    def by_time(tree: Any) -> Any:
        return tree if time_major else jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), tree)

    initial_state = batched_like(initial_state, input_sequence, 1 if time_major else 0)
    whole = _over_time(core, by_time(input_sequence), initial_state)
    if whole is not None:
        xs, recurrence = whole
        last, (outputs, states) = recurrence.run(xs, initial_state, reverse=reverse, unroll=unroll, remat=remat)
        return by_time((outputs, states)) if return_all_states else (by_time(outputs), last)
    scan = jax.lax.scan if maybe_frame() is None else lifting.scan

    def step(state: Any, inputs: Any) -> tuple[Any, Any]:
        output, state = core(inputs, state)
        return state, (output, state) if return_all_states else output

    if remat:
        step = (jax.checkpoint if maybe_frame() is None else lifting.remat)(step)
    last, outputs = scan(step, initial_state, by_time(input_sequence), reverse=reverse, unroll=unroll)
    outputs = by_time(outputs)
    return outputs if return_all_states else (outputs, last)


def _over_time(core: Step, inputs: Any, state: Any) -> tuple[Any, Recurrence] | None:
    """The inputs as arrays and how the core runs over them at once; None where it is to run step by step."""
    if not isinstance(core, RNNCore) or reproduces() or hooks.chain("method") or explicit():
        return None
    xs = jax.tree.map(jnp.asarray, inputs)
    kinds = {a.dtype for a in jax.tree.leaves((xs, state)) if jnp.issubdtype(a.dtype, jnp.inexact)}
    recurrence = core.over_time(xs, state) if len(kinds) == 1 else None
    return None if recurrence is None else (xs, recurrence)
