"""What makes a variable of others in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Values = Mapping[str, np.ndarray]
Conversion = Callable[[Values], np.ndarray]


class Unfit(Exception):
    """The arrays in the file cannot be converted; whoever knows the file makes an error of this."""


def renamed(name: str, *, flat: bool = False) -> Conversion:
    """The value under another name, as it is or as one axis."""
    return lambda values: values[name].reshape(-1) if flat else values[name]
