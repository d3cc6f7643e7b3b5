"""`their name | view | view`: a tensor of a file, seen through views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.convert.errors import MapError
from tenure.core.errors import Party
from tenure.core.notation import views
from tenure.core.notation.refs import pipeline
from tenure.core.notation.view import Misfit, Shape, View


def parse(text: str) -> tuple[str, tuple[View, ...]]:
    """The name and the views. Names are the file's own and may hold any character but `|`, quotes and brackets.

    Raises:
      ViewSyntaxError, UnknownViewError: what is wrong with the views.

    >>> parse("lm_head.weight | transpose")
    ('lm_head.weight', (transpose,))
    """
    name, *steps = pipeline(text)
    return name, tuple(views.parse(step) for step in steps)


def seen(values: Mapping[str, Any], name: str, steps: tuple[View, ...], wanted: str = "") -> np.ndarray:
    """The value of a name, through views.

    Args:
      values: arrays by name; `concat` takes further ones from there.
      name: of the first.
      steps: the views.
      wanted: what the value is for, for messages.

    Raises:
      MapError: a view does not fit.
    """
    value = np.asarray(values[name])
    for step in steps:
        shape = value.shape
        try:
            value = _through(values, value, step)
        except Misfit as error:
            raise MapError(
                f"the view '{step}' does not fit '{name}': {error}",
                parties=[Party("file", name, f"{shape} {value.dtype}"), *([Party("for", wanted)] if wanted else [])],
                ways=["tenure inspect shows the shapes in a file"],
            ) from None
    return value


def _through(values: Mapping[str, Any], value: np.ndarray, step: View) -> np.ndarray:
    others = [seen(values, *parse(text), text) for text in step.references()]
    step.out(value.shape, value.dtype, *((other.shape, other.dtype) for other in others))
    return _plain(value, others, step)


def _plain(value: np.ndarray, others: list[np.ndarray], step: View) -> np.ndarray:
    """Through one view; those that only rearrange stay with numpy, which copies nothing."""
    if isinstance(step, views.Transpose):
        return value.T
    if isinstance(step, views.Reshape):
        return value.reshape(step.shape(value.shape))
    if isinstance(step, views.Cast):
        return value.astype(step.dtype(value.dtype))
    if isinstance(step, views.Concat):
        return np.concatenate([value, *others], step.arguments["axis"])
    with jax.enable_x64(True):  # files have wide numbers, whatever the program computes in
        return np.asarray(step(jnp.asarray(value), *map(jnp.asarray, others)))


def seen_shape(shape: Shape, steps: tuple[View, ...]) -> Shape:
    """The shape of what the views give; raises `Misfit` where they do not fit."""
    for step in steps:
        shape = step.shape(shape)
    return shape


__all__ = ["parse", "seen", "seen_shape"]
