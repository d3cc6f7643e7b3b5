"""What a picture of a network is made of: a box for each layer, and what one borrows from another."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from tenure.core.ledger.row import Row


@dataclasses.dataclass(frozen=True)
class Box:
    """One layer of the picture.

    Attributes:
      key: its path.
      name: of its class.
      dims: of its output, as text; "" where it is not known; inside of a loop that of one step.
      sources: the paths of the layers that it depends on.
      owned, borrowed: its parameters.
      depth: in how many loops or branches it is.
      frames: the paths of the loops, branches and sub-networks around it, the outermost first.
      loss: the name of its loss, or "".
    """

    key: str
    name: str
    dims: str
    sources: tuple[str, ...]
    owned: tuple[Row, ...] = ()
    borrowed: tuple[Row, ...] = ()
    depth: int = 0
    loss: str = ""
    frames: tuple[str, ...] = ()


def borrowings(picture: Any) -> Iterator[tuple[str, str, str]]:
    """(layer that owns, layer that borrows, what and through which view), for each borrowed parameter."""
    owners = {row.path: box.key for box in picture.boxes for row in box.owned}
    for box in picture.boxes:
        for row in box.borrowed:
            for owner in row.owners:
                if owner in owners:
                    name = row.path.rpartition("/")[2]
                    yield owners[owner], box.key, " | ".join([f"{name} ← {owner}", *row.views])
