"""`tf.TensorArray`: a row of arrays that a loop writes one after the other and reads back.

A TensorArray is a value here: `write` returns a new one. Its elements are kept one by one as long as the places that are
written are known, and may then differ in shape, and grow in number. In a loop of the program, whose places are computed,
they are one array with a first axis of the TensorArray's size.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np

from tenure.network.tf.static import UnknownTensorFlowError, dtype_of, is_static, shape_of

_WAYS = ["give the TensorArray a size, and elements of one shape", "use tf.scan, whose results are of one shape"]


def _known(index: Any) -> int | None:
    """The place as a number, if it is known."""
    return int(np.asarray(index)) if is_static(index) else None


def _bounded(place: int, size: int) -> int:
    if not 0 <= place < size:
        raise UnknownTensorFlowError(
            f"tf.TensorArray: place {place} of a TensorArray of size {size}",
            ways=["give a larger 'size'", "give 'dynamic_size': True, where each place is known"],
        )
    return place


def _filled(x: jax.Array, sizes: Sequence[int]) -> jax.Array:
    return jnp.pad(x, [(0, n - m) for n, m in zip(sizes, x.shape, strict=True)])


class Uneven:
    """An element that was read at a computed place from elements of different shapes.

    Its own shape is not known, so it can only be read entry by entry: whole numbers, known or computed, and `:` on axes that
    all elements share. An index that lies beyond the element reads a zero, or the last entry of the longest element.
    """

    def __init__(self, padded: jax.Array, uneven: Sequence[bool]):
        """The element, filled up with zeros to the largest size of each axis, and which axes differ."""
        self._padded, self._uneven = padded, tuple(uneven)

    def __getitem__(self, index: Any) -> Any:
        index = index if isinstance(index, tuple) else (index,)
        if len(index) > len(self._uneven):
            raise IndexError(f"{len(index)} indices for an element with {len(self._uneven)} axes")
        left = []
        for at, uneven in zip(index, self._uneven, strict=False):
            if isinstance(at, slice) and at == slice(None):
                left.append(uneven)
            elif np.ndim(at) or isinstance(at, slice) or at is None or at is Ellipsis:
                self._refuse()
        left += self._uneven[len(index) :]
        found = self._padded[index]
        return Uneven(found, left) if any(left) else found

    def _refuse(self, *unused: Any, **more: Any) -> NoReturn:
        raise UnknownTensorFlowError(
            "tf.TensorArray.read at a computed place, of elements that differ in shape, gives an array whose shape is not known",
            ways=["read entries of it: ta.read(i)[b, u]", "write elements of one shape, filled up by tf.pad"],
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __neg__ = __len__ = __iter__ = __jax_array__ = __array__ = _refuse
    shape = property(_refuse)
    dtype = property(lambda self: self._padded.dtype)


@dataclasses.dataclass(frozen=True, eq=False)
class _Row:
    """What a TensorArray holds.

    Attributes:
      dtype: of its elements.
      size: how many places it has.
      grows: whether writing beyond its size makes it larger.
      shape: of all elements, where the TensorArray says so in full.
      elements: one by one, None where nothing was written; or None if they are one array.
      whole: that array, [size, …].
      filled: elements of different shapes as one array all the same, filled up with zeros, once a loop has written them.
    """

    dtype: Any
    size: int
    grows: bool
    shape: tuple[int, ...] | None
    elements: tuple[Any, ...] | None
    whole: Any = None
    filled: Any = None


@jax.tree_util.register_pytree_node_class
class TensorArray:
    """TensorFlow's row of arrays, as a value.

    >>> row = TensorArray("float32", size=2).write(0, jnp.ones(3)).write(1, jnp.zeros(3))
    >>> row.stack().tolist(), row.read(0).tolist(), int(row.size())
    ([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]], [1.0, 1.0, 1.0], 2)
    """

    __expression_names__ = frozenset(
        {
            "close",
            "concat",
            "dtype",
            "gather",
            "identity",
            "read",
            "scatter",
            "size",
            "split",
            "stack",
            "unstack",
            "write",
        }
    )

    def __init__(
        self,
        dtype: Any,
        size: Any = None,
        dynamic_size: bool | None = None,
        clear_after_read: bool | None = None,
        tensor_array_name: str | None = None,
        handle: Any = None,
        flow: Any = None,
        infer_shape: bool = True,
        element_shape: Any = None,
        colocate_with_first_write_call: bool = True,
        name: str | None = None,
    ):
        """A row of nothing.

        Args:
          dtype: of its elements.
          size: how many places it has; it must be known.
          dynamic_size: whether writing beyond it makes the row larger, where each place is known.
          element_shape: of its elements, for places that nothing is written to.
          clear_after_read, tensor_array_name, infer_shape, colocate_with_first_write_call, name: have no effect.
          handle, flow: of another TensorArray; must be None.
        """
        if handle is not None or flow is not None:
            raise UnknownTensorFlowError(
                "tf.TensorArray with 'handle' or 'flow' of another one", ways=["use the other one: here it is a value"]
            )
        places = shape_of(0 if size is None else size)[0]
        known = element_shape is not None and all(isinstance(n, (int, np.integer)) for n in element_shape)
        shape = tuple(int(n) for n in element_shape) if known else None
        self._row = _Row(dtype_of(dtype), places, bool(dynamic_size), shape, (None,) * places)

    def _with(self, **changes: Any) -> TensorArray:
        new = object.__new__(TensorArray)
        new._row = dataclasses.replace(self._row, **changes)
        return new

    def tree_flatten(self) -> tuple[tuple[Any, ...], Any]:
        """What it holds, and the rest."""
        row = self._row
        return (row.elements, row.whole, row.filled), (row.dtype, row.size, row.grows, row.shape)

    @classmethod
    def tree_unflatten(cls, rest: Any, held: Any) -> TensorArray:
        """The reverse."""
        new = object.__new__(cls)
        new._row = _Row(*rest, *held)
        return new

    @property
    def dtype(self) -> Any:
        """Of its elements."""
        return self._row.dtype

    def size(self, name: str | None = None) -> int:
        """How many places it has."""
        return self._row.size

    def identity(self) -> TensorArray:
        """Itself."""
        return self

    def close(self, name: str | None = None) -> None:
        """Nothing is to be closed."""

    def write(self, index: Any, value: Any, name: str | None = None) -> TensorArray:
        """The row with `value` at a place."""
        value, place, row = jnp.asarray(value, self.dtype), _known(index), self._row
        if row.elements is None or place is None:
            whole = self.settled(value.shape)._row.whole
            if value.shape != whole.shape[1:]:
                raise UnknownTensorFlowError(
                    f"tf.TensorArray.write of the shape {value.shape} in a loop whose other elements have {whole.shape[1:]}",
                    ways=_WAYS,
                )
            at = index if place is None else _bounded(place, row.size)
            return self._with(elements=None, whole=whole.at[at].set(value))
        elements = list(row.elements)
        if row.grows and place >= row.size:
            elements += [None] * (place + 1 - row.size)
        elements[_bounded(place, len(elements))] = value
        return self._with(size=len(elements), elements=tuple(elements), filled=None)

    def read(self, index: Any, name: str | None = None) -> Any:
        """The element at a place."""
        row, place = self._row, _known(index)
        if place is not None:
            _bounded(place, row.size)
            if row.elements is not None and row.elements[place] is not None:
                return row.elements[place]
        if row.elements is None:
            return row.whole[index]
        if len(self._shapes()) < 2:
            return self.stack()[index]
        if place is not None:
            self._nothing_at(place)
        padded = self.filled()._row.filled
        if padded is None:
            raise UnknownTensorFlowError(
                "tf.TensorArray.read at a computed place, of arrays with different axes", ways=_WAYS
            )
        return Uneven(padded[index], [len(set(of_axis)) > 1 for of_axis in zip(*self._shapes(), strict=True)])

    def filled(self) -> TensorArray:
        """The row, where elements differ in sizes with them as one array too, which reading at computed places needs."""
        row, shapes = self._row, self._shapes()
        if len(shapes) < 2 or row.filled is not None or len({len(shape) for shape in shapes}) > 1:
            return self
        most = [max(of_axis) for of_axis in zip(*shapes, strict=True)]
        rows = [jnp.zeros(most, self.dtype) if x is None else _filled(x, most) for x in row.elements or ()]
        return self._with(filled=jnp.stack(rows))

    def stack(self, name: str | None = None) -> jax.Array:
        """All elements, along a new first axis; zeros where nothing was written."""
        return self.settled(None)._row.whole

    def gather(self, indices: Any, name: str | None = None) -> jax.Array:
        """The elements at these places, along a new first axis."""
        row = self._row
        if row.elements is not None and is_static(indices) and len(places := shape_of(indices)):
            return jnp.stack([self.read(place) for place in places])
        return self.stack()[jnp.asarray(indices)]

    def concat(self, name: str | None = None) -> jax.Array:
        """All elements, one after the other along their first axis."""
        row = self._row
        if row.elements is None or any(x is None for x in row.elements):
            whole = self.stack()
            return whole.reshape(whole.shape[0] * whole.shape[1], *whole.shape[2:])
        return jnp.concatenate(row.elements)

    def unstack(self, value: Any, name: str | None = None) -> TensorArray:
        """The row with the entries of the first axis of `value`, as its first elements."""
        value = jnp.asarray(value, self.dtype)
        if len(value) > self._row.size and not self._row.grows:
            _bounded(len(value) - 1, self._row.size)
        size = max(len(value), self._row.size)
        filled = jnp.pad(value, [(0, size - len(value)), *[(0, 0)] * (value.ndim - 1)])
        return self._with(size=size, elements=None, whole=filled)

    def scatter(self, indices: Any, value: Any, name: str | None = None) -> TensorArray:
        """The row with the entries of the first axis of `value` at these places."""
        value, found = jnp.asarray(value, self.dtype), self
        for at in range(len(value)):
            found = found.write(np.asarray(indices)[at] if is_static(indices) else indices[at], value[at])
        return found

    def split(self, value: Any, lengths: Any, name: str | None = None) -> TensorArray:
        """The row with pieces of these lengths, which must be known, of the first axis of `value`."""
        found, start = self, 0
        for at, length in enumerate(shape_of(lengths)):
            found, start = found.write(at, jnp.asarray(value)[start : start + length]), start + length
        return found

    def _shapes(self) -> set[tuple[int, ...]]:
        written = {x.shape for x in self._row.elements or () if x is not None}
        return written or ({self._row.shape} if self._row.shape is not None else set())

    def _nothing_at(self, place: int) -> NoReturn:
        raise UnknownTensorFlowError(
            f"tf.TensorArray.read of place {place}, which nothing was written to",
            ways=["write it first", "give 'element_shape', with which it is zeros"],
        )

    def settled(self, shape: tuple[int, ...] | None) -> TensorArray:
        """The row as one array, as loops of the program hold it.

        Args:
          shape: of its elements, if neither what was written nor `element_shape` tells.

        Raises:
          UnknownTensorFlowError: its elements differ in shape, or there are none and nothing tells their shape.
        """
        row = self._row
        if row.elements is None:
            return self
        shapes = self._shapes() or ({shape} if shape is not None else set())
        if len(shapes) != 1:
            told = (
                f"elements of different shapes, {sorted(shapes)[:3]}" if shapes else "no element that tells their shape"
            )
            raise UnknownTensorFlowError(f"tf.TensorArray with {told}, as one array", ways=_WAYS)
        (shape,) = shapes
        elements = [jnp.zeros(shape, self.dtype) if x is None else x for x in row.elements]
        whole = jnp.stack(elements) if elements else jnp.zeros((0, *shape), self.dtype)
        return self._with(elements=None, whole=whole)

    def must_not_grow(self) -> None:
        """Raises UnknownTensorFlowError if it grows, as a loop of the program cannot tell how far."""
        if self._row.grows:
            raise UnknownTensorFlowError(
                "tf.TensorArray with dynamic_size grows in a loop whose number of steps is only known by its values",
                ways=[
                    "give it a size instead of 'dynamic_size'",
                    "give the loop a condition of numbers that are known",
                ],
            )

    def like(self, other: TensorArray) -> TensorArray:
        """The row as one array, with the shape of the other's elements where nothing was written."""
        return self.settled(next(iter(other._shapes_now()), None))

    def _shapes_now(self) -> set[tuple[int, ...]]:
        return self._shapes() if self._row.elements is not None else {self._row.whole.shape[1:]}


def is_array(value: Any) -> bool:
    """Whether it is a TensorArray."""
    return isinstance(value, TensorArray)


def alike(first: Any, second: Any) -> tuple[Any, Any]:
    """Two results of a condition, with their TensorArrays as one array each, so that one or the other can be chosen."""
    if not any(is_array(x) for x in jax.tree.leaves((first, second), is_leaf=is_array)):
        return first, second
    pair: Any = functools.partial(jax.tree.map, is_leaf=is_array)
    settle = lambda a, b: a.like(b) if is_array(a) else a  # noqa: E731
    return pair(settle, first, second), pair(settle, second, first)
