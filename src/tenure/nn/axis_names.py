"""Names of parameters' axes, for logical sharding rules: `ledger.shardings(mesh, {"mlp": "model"})`."""

from __future__ import annotations

from typing import Any

from tenure.core.slots.slot import Suggested

Names = tuple[str | None, str | None]


def named(*names: str | None) -> Suggested:
    """Names that a layer suggests, one for each axis; an owner's, and the program's own, take precedence.

    >>> named("vocab", "embed")
    ('vocab', 'embed')
    """
    return Suggested(names)


def along_channels(shape: tuple[int, ...] | list[int], name: str) -> Suggested | None:
    """The name for the one axis of a scale, an offset or a bias that is longer than 1; None if there are several.

    >>> along_channels((1, 1, 7), "channels"), along_channels((3, 7), "channels")
    ((None, None, 'channels'), None)
    """
    long = [i for i, size in enumerate(shape) if size != 1]
    return named(*(name if i in long else None for i in range(len(shape)))) if len(long) == 1 else None


def with_names(layer: Any, inputs: str | None, outputs: str | None) -> Any:
    """A linear layer whose parameters' axes have these names."""
    layer.axes = (inputs, outputs)
    return layer
