"""Sizes: how long the dims of one run are. Padded sizes are numbers, lengths are arrays, so a compiled program serves every batch."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.export import is_symbolic_dim

from tenure.network import broadcasting
from tenure.network.dims import Dim, DimError
from tenure.network.tensor import Tensor

_UNKNOWN: Any = object()
PLACEHOLDER = 11  # the padded size of a dim that only values of a run could tell, while planning


def whole(n: Any) -> Any:
    """A size as an integer, or as it is where it is a symbol of a program that is exported."""
    return n if is_symbolic_dim(n) else int(n)


def at_least(low: int, n: Any) -> Any:
    """The larger of a number and a size, which may be symbolic."""
    return jax.core.max_dim(n, low) if is_symbolic_dim(n) else max(low, n)


def at_most(high: Any, n: Any) -> Any:
    """The smaller of two sizes, which may be symbolic."""
    return jax.core.min_dim(n, high) if is_symbolic_dim(n) or is_symbolic_dim(high) else min(high, n)


def lengthened(data: jax.Array, axis: int, before: Any, after: Any, value: Any = 0) -> jax.Array:
    """An array with a value before and after along an axis, as many times as two sizes say, which may be symbolic."""
    if not (is_symbolic_dim(before) or is_symbolic_dim(after)):
        widths = [(before, after) if i == axis else (0, 0) for i in range(data.ndim)]
        return jnp.pad(data, widths, constant_values=value)

    def part(n: Any) -> jax.Array:
        return jnp.full((*data.shape[:axis], n, *data.shape[axis + 1 :]), value, data.dtype)

    return jnp.concatenate([part(before), data, part(after)], axis=axis)


class Sizes:
    """What is known of the dims of one run, or of one trace inside of it.

    >>> from tenure.network.dims import batch_dim, spatial_dim
    >>> time = spatial_dim("time")
    >>> sizes = Sizes()
    >>> sizes.declare(time, 5, Tensor(jnp.array([5, 3]), (batch_dim(),)))
    >>> sizes.padded(time + 2), sizes.lengths(time + 2).data
    (7, Array([7, 5], dtype=int32))
    """

    def __init__(self, outer: Sizes | None = None, planning: bool = False):
        self.outer = outer
        self.planning: bool = planning if outer is None else outer.planning
        self._rows: Any = None
        self._padded: dict[Dim, int] = {}
        self._lengths: dict[Dim, Tensor | None] = {}

    @property
    def rows(self) -> Any:
        """How many rows of the batch count, as a scalar; None if all do."""
        return self._rows if self.outer is None else self.outer.rows

    def declare_rows(self, rows: Any) -> None:
        """From now on only so many rows of the batch count; those after them fill its shape up."""
        self._rows = jnp.asarray(rows, jnp.int32)

    def declare(self, dim: Dim, padded: int, lengths: Tensor | None = None) -> None:
        """From now on that dim is `padded` long in arrays, of which `lengths` entries count for each sequence."""
        self._padded[dim] = whole(padded)
        if lengths is not None or dim not in self._lengths:
            self._lengths[dim] = lengths

    def _find(self, table: str, dim: Dim) -> Any:
        found = getattr(self, table).get(
            dim, _UNKNOWN
        )  # a dim that was declared the same since is equal, and found as well
        if found is _UNKNOWN:
            return self.outer._find(table, dim) if self.outer is not None else None
        return found

    def knows(self, dim: Dim) -> bool:
        """Whether its padded size is known."""
        try:
            self.padded(dim)
        except DimError:
            return False
        return True

    def padded(self, dim: Dim) -> int:
        """The size of the dim's axis.

        Raises:
          DimError: nothing in this run has that dim.
        """
        root = dim.root
        if root.size is not None:
            return root.size
        found = self._find("_padded", root)
        if found is None and root.op is not None:
            found = at_least(0, _evaluate(root.op, self.padded))
        if found is None:
            raise DimError(
                f"the size of {dim!r} is not known: no tensor with this dim was computed before",
                ways=["name the layer that makes the dim first", "give it a size"],
            )
        return found

    def lengths(self, dim: Dim) -> Tensor | None:
        """The number of entries that count, for each sequence; None if all do."""
        root = dim.root
        if root.size is not None or (root.is_batch and root.op is None):
            return None
        found = self._find("_lengths", root)
        if found is None and root.op is not None:
            found = self._derived(root)
        return found

    def _derived(self, dim: Dim) -> Tensor | None:
        operands = [x[1] if isinstance(x, tuple) else x for x in dim.op[1:]]  # type: ignore[index]
        dims = [x for x in operands if isinstance(x, Dim)]
        if all(self.lengths(d) is None for d in dims) or any(d.is_batch for d in dims):
            return None

        def length(d: Dim) -> Tensor:
            found = self.lengths(d)
            return Tensor(jnp.asarray(self.padded(d), jnp.int32), ()) if found is None else found

        value = _evaluate(dim.op, lambda d: _Length(length(d)))  # type: ignore[arg-type]
        lengths = broadcasting.map1(lambda x: jnp.maximum(x, 0), value.tensor)
        self._lengths[dim] = lengths
        return lengths

    def over(self, axis: Dim) -> dict[Dim, Tensor]:
        """The dims whose lengths go over `axis`, such as a beam, with their lengths."""
        found = {} if self.outer is None else self.outer.over(axis)
        for dim, known in self._lengths.items():
            if known is not None and known.has(axis):
                found[dim] = known
            else:
                found.pop(dim, None)
        return found

    def own(self) -> dict[Dim, tuple[int, Tensor | None]]:
        """What this table, and not those around it, knows: dim → padded size and lengths."""
        return {dim: (n, self._lengths.get(dim)) for dim, n in self._padded.items()}

    def dim_of(self, lengths: Any) -> Dim | None:
        """The dim whose lengths this very array is, or this tensor's; None if there is none."""
        data = lengths.data if isinstance(lengths, Tensor) else lengths
        for dim, known in self._lengths.items():
            if known is not None and known.data is data:
                return dim
        return self.outer.dim_of(lengths) if self.outer is not None else None

    def of_shape(self, dims: Any, shape: Any) -> None:
        """Learns padded sizes from an array."""
        for dim, n in zip(dims, shape, strict=True):
            root = dim.root
            if (
                root.size is None and root not in self._padded and not self.knows(root)
            ):  # a derived dim is known through its operands
                self._padded[root] = whole(n)

    def bound(self, lengths: Tensor, dim: Dim | None = None, most: int | None = None) -> int:
        """A padded size for a new dim of these lengths: their maximum, where it can be known.

        Raises:
          DimError: in a compiled program, and the dim has no capacity.
        """
        if not isinstance(lengths.data, jax.core.Tracer):
            return int(np.max(np.asarray(lengths.data), initial=0))
        if dim is not None and dim.root.capacity is not None:
            return dim.root.capacity
        if most is not None:
            return most
        if self.planning:
            return PLACEHOLDER
        raise DimError(
            f"the size of {dim or 'a new dim'!r} depends on values, which a compiled program cannot wait for",
            ways=["give the dim a bound:  Dim(None, 'name', capacity=100)", "call apply without jax.jit"],
        )


class _Length:
    """Lengths with the arithmetic of numbers."""

    def __init__(self, tensor: Tensor):
        self.tensor = tensor

    def _with(self, other: Any, fn: Any) -> _Length:
        if isinstance(other, _Length):
            return _Length(broadcasting.map2(fn, self.tensor, other.tensor))
        return _Length(broadcasting.map1(lambda x: fn(x, other), self.tensor))

    def __add__(self, other: Any) -> _Length:
        return self._with(other, lambda a, b: a + b)

    __radd__ = __add__

    def __mul__(self, other: Any) -> _Length:
        return self._with(other, lambda a, b: a * b)

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> _Length:
        return self._with(other, lambda a, b: a // b)

    def __neg__(self) -> _Length:
        return self * -1


def _evaluate(op: tuple[Any, ...], value: Any) -> Any:
    """A derived dim's expression, over numbers or over lengths."""
    name, *operands = op

    def get(x: Any) -> Any:
        if isinstance(x, tuple):
            return -get(x[1])
        return value(x) if isinstance(x, Dim) else x

    numbers = [get(x) for x in operands]
    if name == "add":
        total = numbers[0]
        for n in numbers[1:]:
            total = total + n
        return total
    if name == "mul":
        total = numbers[0]
        for n in numbers[1:]:
            total = total * n
        return total
    a, b = numbers
    return a // b if name == "floordiv" else -(-a // b)


_current: contextvars.ContextVar[Sizes | None] = contextvars.ContextVar("tenure_sizes", default=None)


def current() -> Sizes:
    """The sizes of the run that the code is in.

    Raises:
      DimError: there is none.
    """
    found = _current.get()
    if found is None:
        raise DimError("sizes are known only while a network runs", ways=["with sizes.use(sizes.Sizes()): …"])
    return found


@contextlib.contextmanager
def use(sizes: Sizes) -> Iterator[Sizes]:
    """Within, `current()` is `sizes`."""
    token = _current.set(sizes)
    try:
        yield sizes
    finally:
        _current.reset(token)


def inner() -> Any:
    """Sizes for a trace inside of the running one: they see the outer ones and keep their own."""
    return use(Sizes(_current.get()))
