"""Running a core over a sequence, with the arguments that Haiku has."""

from __future__ import annotations

from typing import Any

from tenure.nn import unroll as nn_unroll
from tenure.nn.unroll import Step


def dynamic_unroll(
    core: Step,
    input_sequence: Any,
    initial_state: Any,
    time_major: bool = True,
    reverse: bool = False,
    return_all_states: bool = False,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """`tenure.nn.dynamic_unroll`, less what only Tenure has: rematerialisation.

    >>> import jax.numpy as jnp
    >>> dynamic_unroll(lambda x, total: (total + x, total + x), jnp.arange(4), 0)
    (Array([0, 1, 3, 6], dtype=int32), Array(6, dtype=int32))
    """
    return nn_unroll.dynamic_unroll(core, input_sequence, initial_state, time_major, reverse, return_all_states, unroll)
