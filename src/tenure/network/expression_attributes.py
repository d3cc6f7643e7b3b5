"""The attributes of values that expressions may read."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np

from tenure.network.array_methods import METHODS

# What may be asked of values that are not ours. Our own types list theirs in `__expression_names__`.
_ARRAY = frozenset(
    [
        "T",
        "all",
        "any",
        "argmax",
        "argmin",
        "astype",
        "dtype",
        "imag",
        "max",
        "mean",
        "min",
        "ndim",
        "prod",
        "real",
        "reshape",
        "shape",
        "size",
        "squeeze",
        "std",
        "sum",
        "swapaxes",
        "transpose",
        "var",
    ]
)
_OTHERS: tuple[tuple[type, frozenset[str]], ...] = (
    (dict, frozenset({"get", "items", "keys", "values"})),
    (list, frozenset({"append", "count", "index", "insert"})),
    (tuple, frozenset({"count", "index"})),
    (str, frozenset({"endswith", "lower", "split", "startswith", "strip", "upper"})),
    (slice, frozenset({"start", "stop", "step"})),
)


def attributes_of(value: Any) -> frozenset[str]:
    """The attributes of `value` that an expression may read.

    >>> sorted(attributes_of((1, 2)))
    ['count', 'index']
    """
    own = getattr(type(value), "__expression_names__", None)
    if own is not None:
        return own(value) if callable(own) else frozenset(own)
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        return _ARRAY
    return next((names for kind, names in _OTHERS if isinstance(value, kind)), frozenset())


def more_attributes(value: Any) -> dict[str, Any]:
    """What TensorFlow's arrays and shapes have, and those of JAX and Python lack.

    >>> more_attributes((2, 3))["ndims"]
    2
    """
    if isinstance(value, jax.Array | np.ndarray):
        return {name: functools.partial(method, value) for name, method in METHODS.items()}
    if type(value) is tuple:
        return {"ndims": len(value), "rank": len(value), "as_list": lambda: list(value)}
    return {}
