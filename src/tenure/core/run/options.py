"""What every module takes, as a type: for the constructors of a program's own modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict


class Options(TypedDict, total=False):
    """`name=`, `share=` and `stages=`, which every module takes, for the `__init__` of a class of your own.

    Python's types cannot say that a metaclass adds arguments to those of `__init__`, so a checker, and completion, know of a
    class with an `__init__` of its own only what that names. One parameter names all three.

    >>> from typing import Unpack
    >>> import jax.numpy as jnp, tenure as tn
    >>> class Head(tn.Module):
    ...     def __init__(self, size: int, **options: Unpack[tn.Options]) -> None:
    ...         super().__init__(**options)
    ...         self.size = size
    ...     def __call__(self, x):
    ...         return x @ tn.get_parameter("w", (x.shape[-1], self.size), init=jnp.ones)
    >>> model = tn.transform(lambda x: Head(2, name="two", share={"w": "one/w"})(Head(2, name="one")(x)))
    >>> model.plan(jnp.ones((1, 2))).ledger.owner_of("two/w")
    'one/w'
    """

    name: str | None
    share: Mapping[str, Any] | Any | None
    stages: Mapping[str, Any] | None
