"""Numbers of a given dtype."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np


def typed(value: Any, dtype: Any) -> Any:
    """`value` with that dtype; a number as one of numpy's, for which JAX has nothing to compute.

    Args:
      value: a number or an array.
      dtype: that it gets.

    >>> typed(1, "float32")
    array(1., dtype=float32)
    """
    if isinstance(value, (int, float, np.number)):
        return np.asarray(value, dtype)
    return jax.lax.convert_element_type(value, dtype)
