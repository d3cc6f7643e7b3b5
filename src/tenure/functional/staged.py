"""Whether a program is being written down."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np


def staged(value: Any) -> bool:
    """Whether operations on the value are written down, and not run at once, as those of an uncompiled `jax.grad` are.

    >>> found = []
    >>> _ = jax.grad(lambda x: found.append(staged(x)) or x)(1.0)
    >>> _ = jax.jit(jax.grad(lambda x: found.append(staged(x)) or x))(1.0)
    >>> found
    [False, True]
    """
    while isinstance(value, jax.core.Tracer):
        inside = getattr(value, "primal", getattr(value, "val", None))
        if not isinstance(inside, (jax.Array, np.ndarray, np.generic, float, int)):  # a variable of the program
            return True
        value = inside
    return False


__all__ = ["staged"]
