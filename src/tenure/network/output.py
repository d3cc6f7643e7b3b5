"""What a layer gives: its output, and whatever else others may ask it for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax

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
      extra: whatever else layers of one family exchange.
    """

    tensor: Tensor
    logits: Tensor | None = None
    activation: str | None = None
    subs: Mapping[str, Output] = dataclasses.field(default_factory=dict)
    state: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    extra: Any = None

    def with_tensor(self, tensor: Tensor) -> Output:
        """The same with another output."""
        return dataclasses.replace(self, tensor=tensor)


jax.tree_util.register_dataclass(
    Output, data_fields=["tensor", "logits", "subs", "state", "extra"], meta_fields=["activation"]
)


def is_tensor(x: Any) -> bool:
    """Whether it is a tensor: where walks over outputs stop."""
    return isinstance(x, Tensor)


def map_tensors(fn: Callable[[Tensor], Tensor], tree: Any) -> Any:
    """`fn` of every tensor in outputs, states, or structures of them; everything else stays."""
    return jax.tree.map(lambda x: fn(x) if is_tensor(x) else x, tree, is_leaf=is_tensor)


def tensors(tree: Any) -> list[Tensor]:
    """All tensors in it."""
    return [x for x in jax.tree.leaves(tree, is_leaf=is_tensor) if is_tensor(x)]
