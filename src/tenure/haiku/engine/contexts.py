"""What creators, getters and setters are told, and the value that is not kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn


class DoNotStore:
    """What a creator, an initialiser or a setter returns to keep a value out of the parameters or the state."""

    @property
    def shape(self) -> NoReturn:
        raise ValueError("DO_NOT_STORE does not have a shape.")

    @property
    def dtype(self) -> NoReturn:
        raise ValueError("DO_NOT_STORE does not have a dtype.")

    def __repr__(self) -> str:
        return "DO_NOT_STORE"


DO_NOT_STORE = DoNotStore()


class GetterContext(NamedTuple):
    """What a creator or a getter is told.

    Attributes:
      full_name: `module/name`.
      module: the module that asks, if any.
      original_dtype, original_shape, original_init: as asked for.
      lifted_prefix_name: where a lifted function's parameters will be, during init; None at apply.
    """

    full_name: str
    module: Any | None
    original_dtype: Any
    original_shape: Sequence[int]
    original_init: Callable[[Sequence[int], Any], Any] | None
    lifted_prefix_name: str | None

    @property
    def module_name(self) -> str:
        return self.full_name.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.full_name.rpartition("/")[2]


class SetterContext(NamedTuple):
    """What a setter is told.

    Attributes:
      full_name: `module/name`.
      module: the module that sets, if any.
      original_dtype, original_shape: of the value: trees like it.
      lifted_prefix_name: where a lifted function's state will be, during init; None at apply.
    """

    full_name: str
    module: Any | None
    original_dtype: Any
    original_shape: Sequence[int]
    lifted_prefix_name: str | None

    @property
    def module_name(self) -> str:
        return self.full_name.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.full_name.rpartition("/")[2]
