"""What a caller may say about weights that are brought into a model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from tenure.core.errors import RuleError, brief

Assign = Callable[[str, Any], Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class Choices:
    """What a caller may say.

    Attributes:
      take: slots whose values win where the file has several different ones for one owner.
      strict: whether missing and unexpected leaves, and other dtypes, are errors.
      partial: whether the file was saved with a part of the owners only, so that missing ones are none of its business.
      template: leaves for what the file lacks.
      resize: owners whose shape may change: what fits is kept, and the rest is the template's.
      weights: the shapes of weights that stages store in another shape.
      assign: stores a plain weight through a model's stages: (owner's path, weight) → path → leaf.
    """

    take: tuple[str, ...] = ()
    strict: bool = True
    partial: bool = False
    template: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    resize: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    weights: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    assign: Assign | None = None


def names(value: Any, what: str) -> tuple[str, ...]:
    """One path, or several.

    Raises:
      RuleError: it is neither.
    """
    if isinstance(value, str):
        return (value,)
    if isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise RuleError(f"{what}={brief(value)} is no path, nor several", ways=[f"{what}='embed/w', or a list of paths"])


__all__ = ["Assign", "Choices", "names"]
