"""Running a recurrent core over a sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run import transformations as lifting
from tenure.core.run.frame import maybe_frame

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
) -> tuple[Any, Any]:
    """Calls a core for each time step in a loop that is compiled once. Works outside of a transformed function too.

    Args:
      core: `output, state = core(input, state)`; a module, or a plain function.
      input_sequence: arrays [T, ...], or [B, T, ...] if not `time_major`.
      initial_state: of the core.
      time_major: whether time is the first axis, and not the second.
      reverse: whether to go from the last step to the first. Outputs stay at their inputs' places.
      return_all_states: whether to return the states of all steps instead of the last one.
      unroll: how many steps are in one pass of the loop.

    Returns:
      The outputs, with time where the inputs have it; and the last state, or all of them.

    >>> dynamic_unroll(lambda x, total: (total + x, total + x), jnp.arange(4), 0)
    (Array([0, 1, 3, 6], dtype=int32), Array(6, dtype=int32))
    """
    scan = jax.lax.scan if maybe_frame() is None else lifting.scan

    def step(state: Any, inputs: Any) -> tuple[Any, Any]:
        output, state = core(inputs, state)
        return state, (output, state) if return_all_states else output

    def by_time(tree: Any) -> Any:
        return tree if time_major else jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), tree)

    last, outputs = scan(step, initial_state, by_time(input_sequence), reverse=reverse, unroll=unroll)
    outputs = by_time(outputs)
    return outputs if return_all_states else (outputs, last)
