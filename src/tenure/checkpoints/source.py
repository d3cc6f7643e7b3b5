"""Slots and their values on one side, a file's or a model's: who owns and who borrows, by rows of a ledger, and the leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from tenure.checkpoints import leaves
from tenure.core.compare import distance
from tenure.core.errors import NoInverseError, TenureError, ViewShapeError
from tenure.core.ledger.row import Row
from tenure.core.notation import views
from tenure.core.notation.refs import Ref
from tenure.core.notation.stage import STRUCTURAL, parse


class Leaf(Protocol):
    """A stored array that is read when it is asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""

    @property
    def dtype(self) -> Any:
        """Its dtype."""

    def read(self) -> Any:
        """Its values: of the host, possibly as a file in memory, or a JAX array."""

    def place(self, sharding: Any) -> Any:
        """Its values as the leaf that was saved, on devices."""


@dataclasses.dataclass(frozen=True)
class Held:
    """A leaf that is in memory."""

    name: str
    value: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return tuple(np.shape(self.value))

    @property
    def dtype(self) -> Any:
        """Its dtype."""
        return getattr(self.value, "dtype", np.asarray(self.value).dtype)

    @property
    def form(self) -> str:
        """What kind of leaf it is, as a file would say."""
        return f"prng:{jax.random.key_impl(self.value)}" if leaves.is_key(self.value) else ""

    def read(self) -> Any:
        """The array."""
        return self.value

    def place(self, sharding: Any) -> Any:
        """The array, where it is to be."""
        return self.value if sharding is None else jax.device_put(self.value, sharding)


@dataclasses.dataclass(frozen=True)
class Side:
    """What one side knows.

    Attributes:
      rows: the slots of parameters.
      leaves: the owners' that are there.
    """

    rows: Mapping[str, Row]
    leaves: Mapping[str, Leaf]

    def has(self, path: str) -> bool:
        """Whether the value of a slot is known here."""
        row = self.rows.get(path)
        return row is not None and row.kind != "given" and all(o in self.leaves for o in row.owners)

    def value(self, path: str) -> Any:
        """The value of a slot: its owner's leaf, through the views of its chain."""
        row = self.rows[path]
        if row.kind == "owned":
            return self.leaves[path].read()
        return self._through(row, Ref.parse(row.borrows))

    def _through(self, row: Row, ref: Ref) -> Any:
        value = self.value(ref.path)
        if not ref.views:
            return value
        others = [self._reference(Ref.parse(o)) for view in ref.views for o in others_of(view)]
        value = as_jax(row.path, value)
        skip = skipped(row, ref, value.shape, [o.shape for o in others])

        def run(base: Any, rest: list[Any]) -> Any:
            left = list(rest)
            for view in ref.views:
                count = len(others_of(view))
                base = view(base, *left[:count])
                left = left[count:]
            return base

        for _ in range(skip):
            run = jax.vmap(run)
        try:
            return run(value, others)
        except (views.Misfit, NotImplementedError, TypeError, ValueError) as e:
            if isinstance(e, TenureError):
                raise
            raise ViewShapeError(f"'{row.path}' can not be read through '{ref}': {e}") from None

    def _reference(self, ref: Ref) -> Any:
        value = as_jax(ref.path, self.value(ref.path))
        for view in ref.views:
            value = view(value)
        return value


def plain_row(path: str, leaf: Leaf) -> Row:
    """The row of a leaf of which nothing is known but itself."""
    return Row(path, "owned", "params", tuple(leaf.shape), str(leaf.dtype), (path,), (path,))


def others_of(view: Any) -> list[str]:
    """The further references of a view that joins several owners."""
    return list(view.references())


def as_jax(path: str, value: Any) -> jax.Array:
    """An array that views can work on, with memory of its own."""
    if isinstance(value, jax.Array):
        return value
    leaves.check_width(path, np.asarray(value).dtype)
    return jnp.array(value, copy=True)


def skipped(row: Row, ref: Ref, shape: tuple[int, ...], others: list[tuple[int, ...]]) -> int:
    """How many leading axes of the owner are layers of a stack in which the borrower stands as well.

    Raises:
      ViewShapeError: the views lead to the borrower's shape for no number of layers.
    """
    for skip in range(len(shape) + 1):
        try:
            if walked(ref, shape[skip:], [o[skip:] for o in others])[-1] == row.shape:
                return skip
        except (views.Misfit, ValueError):
            pass
        if row.layers == 1:
            break
    raise ViewShapeError(
        f"'{row.path}' needs {row.shape}, and '{ref}' does not lead there from {shape}",
        parties=[row.party("user")],
        ways=["change the view"],
    )


def walked(ref: Ref, shape: tuple[int, ...], others: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The shapes before and after each view."""
    shapes, left = [tuple(shape)], list(others)
    for view in ref.views:
        count = len(others_of(view))
        parts = [(s, np.float32) for s in (shapes[-1], *left[:count])]
        shapes.append(view.out(*parts[0], *parts[1:])[0] if count else view.shape(shapes[-1]))
        left = left[count:]
    return shapes


def backwards(rows: Mapping[str, Row], path: str, value: Any) -> dict[str, Any]:
    """What the owners must be so that the slot has this value: owner's path → its value, or its part's.

    Raises:
      NoInverseError: a view of the chain has no inverse.
    """
    row = rows[path]
    if row.kind == "owned":
        return {path: value}
    ref = Ref.parse(row.borrows)
    base = rows[ref.path]
    others = [Ref.parse(o) for view in ref.views for o in others_of(view)]
    skip = skipped(row, ref, base.shape, [_shape_of(rows, o) for o in others])
    value = as_jax(path, value)
    if value.ndim > len(row.shape) and not skip:
        value = _of_all_layers(row, value)
    shapes = walked(ref, base.shape[skip:], [_shape_of(rows, o)[skip:] for o in others])

    def run(v: Any) -> tuple[Any, list[Any]]:
        parts: list[Any] = []
        for view, shape in zip(reversed(ref.views), reversed(shapes[:-1]), strict=True):
            if others_of(view):
                v, *rest = _taken_apart(view, v, shape, [_shape_of(rows, o)[skip:] for o in others])
                parts = rest
                continue
            inverse = view.inverse(shape, np.dtype(base.dtype) if base.dtype != "tree" else None)
            if inverse is None:
                raise NoInverseError(
                    f"the value of '{path}' can not be moved to '{ref.path}': the view '{view}' has no inverse",
                    parties=[row.party("user"), base.party("owner")],
                    ways=[f"give the owner's value as well:  '{ref.path}'"],
                )
            v = inverse(v)
        return v, parts

    back: Callable[[Any], Any] = run
    for _ in range(skip):
        back = jax.vmap(back)
    first, rest = back(value)
    found = backwards(rows, ref.path, first)
    for other, part in zip(others, rest):
        if not other.views:
            found |= backwards(rows, other.path, part)
    return found


def _shape_of(rows: Mapping[str, Row], ref: Ref) -> tuple[int, ...]:
    shape = rows[ref.path].shape
    for view in ref.views:
        shape = view.shape(shape)
    return shape


def _of_all_layers(row: Row, value: Any) -> Any:
    """The one value that all layers of a stack have."""
    layers = value.reshape(-1, *row.shape)
    if not same(layers, jnp.broadcast_to(layers[:1], layers.shape)):
        raise NoInverseError(
            f"'{row.path}' has another value in each layer, and its owner stands outside of the layers",
            parties=[row.party("user")],
            ways=["own it in the layers:  ties={…: tn.own}"],
        )
    return layers[0]


def _taken_apart(view: Any, value: Any, first: tuple[int, ...], others: list[tuple[int, ...]]) -> list[Any]:
    axis = view.arguments["axis"] % len(first)
    bounds = np.cumsum([first[axis], *(o[axis] for o in others)])[:-1]
    return list(jnp.split(value, bounds, axis))


def structural(row: Row) -> tuple[str, ...]:
    """The stages of a row that define what its weight is; custom ones that are not known here count as such."""

    def defines(text: str) -> bool:
        try:
            return parse(text).kind == STRUCTURAL
        except TenureError:
            return not text.startswith("on_use(")

    return tuple(text for text in row.stages if defines(text))


def same_tie(file: Mapping[str, Row], model: Mapping[str, Row], path: str) -> bool:
    """Whether a slot sees the same of the same owners on both sides."""
    mine, theirs = model[path], file[path]
    return (
        mine.owners == theirs.owners
        and mine.views == theirs.views
        and _taps(model, mine) == _taps(file, theirs)
        and all(o in file and structural(file[o]) == structural(model[o]) for o in mine.owners)
    )


def _taps(rows: Mapping[str, Row], row: Row) -> list[str]:
    taps = [rows[p].borrows.partition(" | ")[0].partition("@")[2] for p in row.chain if p in rows]
    return [tap for tap in taps if tap]


def same(a: Any, b: Any) -> bool:
    """Whether two arrays hold equal values; NaN is equal to NaN."""
    return fits(a, b) and distance(a, b) == 0


def fits(a: Any, b: Any) -> bool:
    """Whether the shapes are equal, or one has an axis of layers more in front."""
    x, y = sorted((tuple(np.shape(a)), tuple(np.shape(b))), key=len)
    return y[len(y) - len(x) :] == x
