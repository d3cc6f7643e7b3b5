"""`init` and `apply` as objects: they pickle where the model's function does, and say what does not."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tenure.core.errors import brief


class Pure:
    """A pure function of a model: `run(model, *args)`, with the model filled in.

    Attributes:
      run: a function of a module.
      model: what it runs.
    """

    def __init__(self, run: Callable[..., Any], model: Any):
        self.run, self.model = run, model
        self.__name__ = self.__qualname__ = run.__name__.strip("_")
        self.__doc__ = run.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(self.model, *args, **kwargs)

    @property
    def plan(self) -> Callable[..., Any]:
        """The model's `plan`."""
        return self.model.plan

    @property
    def __signature__(self) -> inspect.Signature:
        signature = inspect.signature(self.run)
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    def __reduce__(self) -> Any:
        return type(self), (self.run, self.model)

    def __repr__(self) -> str:
        return f"<{self.__name__} of {brief(getattr(self.model, 'function', self.model))}>"
