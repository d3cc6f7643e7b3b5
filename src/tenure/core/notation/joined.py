"""A view on several owners from a Python function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any

import jax

from tenure.core.notation.refs import references
from tenure.core.notation.view import Misfit, Shape, not_serialisable
from tenure.core.notation.views import Concat


class Joined(Concat):
    """A plain function of this slot's value and those of other references: shown as ⟨name⟩, not serialisable.

    The ledger shows all of them as owners of what it makes.

    >>> import jax.numpy as jnp
    >>> view = Joined(jnp.add, ["b/w"])
    >>> view, view.join([jnp.ones(2), jnp.ones(2)])
    (⟨add⟩('b/w'), Array([2., 2.], dtype=float32))
    """

    name, signature, variadic = "joined", {"others": references, "fn": lambda f: f}, True
    defaults = {}

    def __init__(self, fn: Callable[..., jax.Array], others: Sequence[str]):
        self.arguments = MappingProxyType({"others": tuple(others), "fn": fn})

    def with_others(self, others: Sequence[str]) -> Joined:
        """The same function of other references."""
        return Joined(self.arguments["fn"], others)

    def join(self, values: Sequence[jax.Array]) -> jax.Array:
        """What the function makes of the values."""
        result: jax.Array = self.arguments["fn"](*values)
        return result

    def joined(self, parts: Sequence[tuple[Shape, Any]]) -> tuple[Shape, Any]:
        """The shape and dtype of `join`."""
        try:
            out = jax.eval_shape(self.arguments["fn"], *(jax.ShapeDtypeStruct(*part) for part in parts))
        except Exception as e:
            raise Misfit(f"{self} fails on {parts}: {type(e).__name__}: {str(e).partition(chr(10))[0]}") from e
        if not isinstance(out, jax.ShapeDtypeStruct):
            raise Misfit(f"{self} returns {type(out).__name__}, not an array")
        return tuple(out.shape), out.dtype

    def to_data(self) -> list[Any]:
        raise not_serialisable(str(self))

    def __hash__(self) -> int:
        return hash((id(self.arguments["fn"]), self.arguments["others"]))

    def __str__(self) -> str:
        fn = self.arguments["fn"]
        shown = getattr(fn, "__name__", type(fn).__name__).strip("<>")
        return f"⟨{shown}⟩({', '.join(map(repr, self.arguments['others']))})"

    def __reduce__(self) -> Any:
        return Joined, (self.arguments["fn"], self.arguments["others"])

    __repr__ = __str__
