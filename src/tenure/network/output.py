"""What a layer gives: its output, and whatever else others may ask it for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tenure.network.tensor import Tensor


@dataclasses.dataclass(frozen=True, eq=False)
class Output:
    """What a layer gives.

    Attributes:
      tensor: its output.
      logits: the output before the activation, if there is one and the loss may use it.
      activation: the name of that activation.
      subs: outputs of sub-layers by name, for references such as `rec/x` and `split/0`.
      state: the hidden state of the last step, by name.
      choices: of a search: scores and back pointers of the beam.
      extra: whatever else layers of one family exchange.
    """

    tensor: Tensor
    logits: Tensor | None = None
    activation: str | None = None
    subs: Mapping[str, Output] = dataclasses.field(default_factory=dict)
    state: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    choices: Any = None
    extra: Any = None

    def with_tensor(self, tensor: Tensor) -> Output:
        """The same with another output."""
        return dataclasses.replace(self, tensor=tensor)
