"""Axes as dictionaries describe them: a dim, or words such as "T", "F", "spatial:0", "except_batch"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tenure.core.errors import brief
from tenure.network import versions
from tenure.network.dims import Dim, DimError
from tenure.network.tensor import Tensor

_NUMBERED = re.compile(r"(s|spatial|d|dyn|dynamic|static|except_batch):(-?\d+)")


def axes(x: Tensor, description: Any, *, allow_int: bool | None = None) -> list[int]:
    """The axes of `x` that a description means.

    Args:
      x: a tensor.
      description: a dim, a word, or a list of such; an integer where the behaviour version allows it.
      allow_int: whether integers are allowed, whatever the version.

    Raises:
      DimError: it means none of the tensor's axes.

    >>> import jax.numpy as jnp
    >>> from tenure.network.dims import batch_dim, feature_dim, spatial_dim
    >>> x = Tensor(jnp.ones((2, 3, 4)), (batch_dim(), spatial_dim("time"), feature_dim(4)))
    >>> axes(x, "T"), axes(x, "BF"), axes(x, "spatial"), axes(x, "except_time")
    ([1], [0, 2], [1], [2])
    """
    if description is None or (isinstance(description, str) and not description):
        return []
    if isinstance(description, Dim):
        if x.has(description):
            return [x.axis(description)]
        whole = description.is_batch and x.batch_axis is not None  # a merged batch is a batch too
        return [x.batch_axis] if whole else []  # type: ignore[list-item]
    if isinstance(description, int) and not isinstance(description, bool):
        return [_integer(x, description, allow_int)]
    if isinstance(description, str):
        return _word(x, description.lower(), description)
    if isinstance(description, (list, tuple, set, frozenset)):
        found = [a for d in description for a in axes(x, d, allow_int=allow_int)]
        return list(dict.fromkeys(found))
    raise DimError(f"{brief(description)} does not describe an axis", ways=["'T', 'F', 'B', or a Dim"])


def axis(x: Tensor, description: Any, *, allow_int: bool | None = None) -> int:
    """The one axis that a description means.

    Raises:
      DimError: it means none, or several.
    """
    found = axes(x, description, allow_int=allow_int)
    if len(found) != 1:
        raise DimError(
            f"{brief(description)} means {'no axis' if not found else f'{len(found)} axes'} of {x!r}, and one is needed",
            ways=["name one of its dims", "'T', 'F' and 'B' are time, features and batch"],
        )
    return found[0]


def _integer(x: Tensor, number: int, allow: bool | None) -> int:
    if allow is False or (allow is None and versions.at_least(versions.NO_INTEGER_AXES)):
        raise DimError(
            f"the axis {number} of {x!r} is given by its position, which behaviour versions from 5 on do not allow",
            ways=["name the axis: 'T', 'F', or a Dim", "'behavior_version': 0, as for published configs"],
        )
    if not -x.ndim <= number < x.ndim:
        raise DimError(f"{x!r} has no axis {number}")
    return number % x.ndim


def _ordered(x: Tensor, word: str) -> None:
    if versions.at_least(versions.NO_ORDER_DEPENDENT_AXES):
        raise DimError(
            f"'{word}' depends on the order of the axes of {x!r}, which behaviour versions from 7 on do not allow",
            ways=["use the Dim itself", "'stag:name' finds a dim by its name"],
        )


def _need(axis: int | None, x: Tensor, word: str) -> int:
    if axis is None:
        raise DimError(f"{x!r} has no axis '{word}'")
    return axis


def _word(x: Tensor, word: str, written: str) -> list[int]:
    every = list(range(x.ndim))
    if word in ("b", "batch"):
        return [_need(x.batch_axis, x, written)]
    if word in ("t", "time"):
        return [_need(x.time_axis, x, written)]
    if word == "t?":
        return [] if x.time_axis is None else [x.time_axis]
    if word in ("f", "feature", "non_spatial"):
        return _features(x)
    if word == "spatial":
        return x.spatial_axes
    if word == "spatial_except_time":
        return [a for a in x.spatial_axes if a != _need(x.time_axis, x, "T")]
    if word in ("dyn", "dynamic"):
        return x.dynamic_axes
    if word == "static":
        return x.static_axes
    if word == "*":
        return every
    if word in ("except_time", "except_batch"):
        rest = [a for a in every if a != x.batch_axis]
        return [a for a in rest if a != x.time_axis] if word == "except_time" else rest
    if match := _NUMBERED.fullmatch(word):
        _ordered(x, written)
        return [_pick(_group(x, match[1]), int(match[2]), x, written)]
    if match := re.fullmatch(r"dim:(\d+)", word):
        return [_only([a for a in every if x.dims[a].root.size == int(match[1])], x, written)]
    if word.startswith("stag-single:"):
        _, index, name = word.split(":", 2)
        return [_pick(_tagged(x, name, True), int(index), x, written)]
    if word.startswith(("stag:", "tag:")):
        kind, _, name = word.partition(":")
        found = _tagged(x, name.removesuffix("?"), kind == "stag")
        return [] if name.endswith("?") and not found else [_only(found, x, written)]
    if word and all(c in "btf" for c in word):
        return axes(x, list(word))
    raise DimError(
        f"{written!r} does not describe an axis",
        ways=["'B', 'T', 'F', 'spatial', 'except_batch', 'except_time', 'static', 'dynamic', 'stag:name', or a Dim"],
    )


def _group(x: Tensor, word: str) -> Sequence[int]:
    if word in ("s", "spatial"):
        return x.spatial_axes
    if word == "static":
        return x.static_axes
    if word == "except_batch":
        return [a for a in range(x.ndim) if a != x.batch_axis]
    return x.dynamic_axes


def _features(x: Tensor) -> list[int]:
    return [] if x.feature_axis is None else [x.feature_axis]


def _pick(found: Sequence[int], index: int, x: Tensor, word: str) -> int:
    if not -len(found) <= index < len(found):
        raise DimError(f"'{word}': {x!r} has {len(found)} such axes")
    return found[index]


def _only(found: Sequence[int], x: Tensor, word: str) -> int:
    if len(found) != 1:
        raise DimError(f"'{word}' means {len(found)} axes of {x!r}")
    return found[0]


def _tagged(x: Tensor, name: str, spatial: bool) -> list[int]:
    """Axes by the name of their dim: the same, or else a part of it. RETURNN's name of an input's time is "time:var:extern_data:data"."""
    name = name.replace("extern_data:", "").replace("var:", "")
    pool = [a for a in range(x.ndim) if not spatial or a in x.spatial_axes or x.dims[a].is_spatial]
    exact = [a for a in pool if x.dims[a].name.lower() == name or x.dims[a].root.name.lower() == name]
    return exact or [a for a in pool if name in x.dims[a].name.lower() or name in x.dims[a].root.name.lower()]
