"""`init` and `apply` as objects: they pickle where the model's function does, and have the signatures that Haiku gives them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tenure.core.model.kinds import Pure


def half(name: str, signature: Callable[[Any], inspect.Signature]) -> Callable[..., Any]:
    """Decorator of a function of a model: what it is called as a `Half`, and its signature then, as a function of the model."""

    def decorate(run: Any) -> Any:
        run.shown, run.signature = name, signature
        return run

    return decorate


class Half(Pure):
    """One of the functions of a transformed pair: `run(model, *args)`, with the model, or another pair, filled in."""

    def __init__(self, run: Any, model: Any):
        super().__init__(run, model)
        self.__name__ = self.__qualname__ = run.shown

    @property
    def __signature__(self) -> inspect.Signature:
        return self.run.signature(self.model)  # type: ignore[attr-defined]

    @property
    def _original_fn(self) -> Any:
        """The user's function."""
        inner = getattr(self.model, "init", None)
        return getattr(inner, "_original_fn", None) if isinstance(self.model, tuple) else self.model.function

    def __deepcopy__(self, memo: Any) -> Half:
        return self
