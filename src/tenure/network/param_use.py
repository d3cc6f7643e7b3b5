"""Which parameter a layer asked for."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class ParamUse:
    """One parameter of one layer, as the layer asked for it.

    Attributes:
      layer: the layer's key.
      name: local name.
      path: the slot's path.
      trainable: whether the dictionary lets it be trained.
      value: what the layer computes with, before noise.
    """

    layer: str
    name: str
    path: str
    trainable: bool
    value: Any = dataclasses.field(compare=False)
