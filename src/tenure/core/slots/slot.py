"""Requests and slots: what was asked for, by which line; and what the request came to."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.errors import Party, TenureError, brief
from tenure.core.notation.refs import Ref
from tenure.core.notation.stage import Stage
from tenure.core.sites import NOWHERE, Site
from tenure.core.slots.sources import OWN, Source

KINDS = {"own": "owned", "forbid": "owned", "borrow": "borrowed", "given": "given"}
_NONE: Mapping[Any, Any] = {}


class Suggested(tuple[str | None, ...]):
    """Axis names that a layer of the library gives by itself: they yield to other names instead of contradicting them.

    A program's own names are an ordinary tuple. A borrower takes its owner's names in place of suggested ones.

    >>> Suggested(("embed", None)) == ("embed", None)
    True
    """


@dataclasses.dataclass(frozen=True, eq=False)
class Request:
    """One request for a parameter or a state, as the running function made it.

    Attributes:
      path: absolute.
      shape, dtype: inside a layer stack, of one layer.
      source: what the ties, the share or the declaration say.
      collection: "params" or "state".
      asker: the module that asked, as text; for a leaf that a stage keeps, the stage.
      site: the line that asked.
      order: when it was first asked for.
      stack: the layer stacks around it: (path, layers), outermost first.
      axes: logical axis names.
      stages: what the request itself wants its value to go through.
      init: the initialiser as handed in.
      explicit_init: whether the program, and not the layer's default, chose `init`.
      make: creates one value, drawing keys as it goes; None if only the forward pass can.
      value: the structure of shapes of a state, which need not be one array.
      declared: whether modules inside may borrow it by name (`tn.declare`).
    """

    path: str
    shape: tuple[int, ...]
    dtype: Any
    source: Source = OWN
    collection: str = "params"
    asker: str = ""
    site: Site = NOWHERE
    order: int = 0
    stack: tuple[tuple[str, int], ...] = ()
    axes: tuple[str | None, ...] | None = None
    stages: tuple[Stage | None, ...] = ()
    init: Any = None
    explicit_init: bool = False
    make: Callable[[], Any] | None = None
    value: Any = None
    declared: bool = False

    def but(self, **changes: Any) -> Request:
        """The same request with other attributes: as `dataclasses.replace`, at a tenth of the time."""
        new = object.__new__(Request)
        new.__dict__.update(self.__dict__, **changes)
        return new

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "init": None, "make": None}  # another process plans anew before it initialises

    @property
    def kind(self) -> str:
        """What the request's source makes of it: "owned", "borrowed" or "given"."""
        return KINDS[self.source.kind]

    @property
    def layers(self) -> tuple[int, ...]:
        """The sizes of the layer stacks around it."""
        return tuple(n for _, n in self.stack)

    def party(self, role: str, through: str = "") -> Party:
        """This request as a row of an error."""
        shape = self.layers + self.shape if role == "owner" else self.shape
        return Party(role, self.path, f"{shape} {named(self.dtype)}", str(self.site), self.asker, through)


@dataclasses.dataclass(frozen=True, eq=False)
class Slot:
    """What a request came to, once all requests of the model are known.

    Attributes:
      request: the first request for the slot's path.
      kind: "owned", "borrowed" or "given".
      target: what a borrower borrows, with an absolute path.
      axes: logical axis names: the request's, or those that the owner's views lead to.
      stages, use_stages: what its value goes through for all users, and for this use.
      leaf: the shape and dtype of what is stored, where stages make that another than the request's.
      specs: stage's name → the shape and dtype that it gives.
      parts: (stage's name, part's name) → the path of a further leaf.
      part_of, stage: for such a leaf, whose it is, and the stage's name.
      frozen: whether a stage keeps gradients from it.
      modes: (training, inside of a loop or another transformation) of each request for it.
      notes: what a reader of the ledger should know.
      path, shape, dtype, collection, source, stack: the request's.
    """

    request: Request
    kind: str
    target: Ref | None = None
    axes: tuple[str | None, ...] | None = None
    stages: tuple[Stage, ...] = ()
    use_stages: tuple[Stage, ...] = ()
    leaf: Any = None
    specs: Mapping[str, Any] = dataclasses.field(default_factory=lambda: _NONE)
    parts: Mapping[tuple[str, str], str] = dataclasses.field(default_factory=lambda: _NONE)
    part_of: str = ""
    stage: str = ""
    frozen: bool = False
    modes: frozenset[tuple[bool, bool]] = frozenset()
    notes: tuple[str, ...] = ()

    path: str = dataclasses.field(init=False)
    shape: tuple[int, ...] = dataclasses.field(init=False)
    dtype: Any = dataclasses.field(init=False)
    collection: str = dataclasses.field(init=False)
    source: Source = dataclasses.field(init=False)
    stack: tuple[tuple[str, int], ...] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        asked = self.request
        self.__dict__.update(path=asked.path, shape=asked.shape, dtype=asked.dtype)
        self.__dict__.update(collection=asked.collection, source=asked.source, stack=asked.stack)

    @property
    def layers(self) -> tuple[int, ...]:
        """The sizes of the layer stacks around it."""
        return self.request.layers

    @property
    def staged(self) -> bool:
        """Whether its value goes through stages, for all users or for this use."""
        return bool(self.stages or self.use_stages)

    @functools.cached_property
    def full_shape(self) -> tuple[int, ...]:
        """The shape of the leaf: of all layers, if stacked."""
        return self.layers + (self.shape if self.leaf is None else self.leaf.shape)

    @property
    def full_dtype(self) -> Any:
        """The dtype of the leaf."""
        return self.dtype if self.leaf is None else self.leaf.dtype

    def party(self, role: str, through: str = "") -> Party:
        """This slot as a row of an error."""
        return self.request.party(role, through)


def named(dtype: Any) -> str:
    """A dtype's name, however it was written.

    >>> import jax.numpy as jnp
    >>> named(jnp.float32), named(jnp.ones(2).dtype), named("bfloat16")
    ('float32', 'float32', 'bfloat16')
    """
    return str(getattr(dtype, "name", None) or getattr(dtype, "__name__", dtype))


def as_shape(shape: Any, path: str) -> tuple[int, ...]:
    """A shape as a tuple of ints.

    Raises:
      TenureError: it is no sequence of sizes; the message names the slot's `path`.
    """
    try:
        if isinstance(shape, (str, bytes, set, Mapping)):
            raise TypeError
        sizes = tuple(map(_size, [shape] if isinstance(shape, (int, np.integer)) else shape))
        if sizes and not 0 <= min(sizes) <= max(sizes) < 2**63:
            raise ValueError
        return sizes
    except (TypeError, ValueError):
        raise TenureError(
            f"the shape of '{path}' is {brief(shape)}, not a sequence of sizes",
            ways=[
                "shape=(3, 4): whole numbers, none below 0 or beyond 64 bits",
                "x.shape[-1], len(names) and n // 2 are whole numbers",
            ],
        ) from None


def _size(value: Any) -> int:
    if type(value) is int:
        return value
    if isinstance(value, (bool, np.bool_)):
        raise TypeError
    return operator.index(value)


def as_dtype(dtype: Any, path: str) -> Any:
    """A dtype as JAX stores it.

    Raises:
      TenureError: it is none that an array has; the message names the slot's `path`.
    """
    try:
        if jax.dtypes.issubdtype(dtype, jax.dtypes.extended):
            return dtype
        found = jax.dtypes.canonicalize_dtype(dtype)
        if found.kind not in "OSUMmV" or jnp.issubdtype(found, jnp.number):
            return found
    except (TypeError, ValueError):
        pass
    raise TenureError(
        f"the dtype of '{path}' is {brief(dtype)}, not one that an array has",
        ways=["dtype=jnp.float32, 'bfloat16', x.dtype"],
    )


def kind_of(dtype: Any) -> str:
    """What kind of numbers a dtype is of.

    >>> import jax.numpy as jnp
    >>> kind_of(jnp.bfloat16), kind_of(jnp.uint8), kind_of(jnp.bool_)
    ('floating', 'integer', 'bool')
    """
    kinds = {"floating": jnp.floating, "integer": jnp.integer, "complex": jnp.complexfloating, "bool": jnp.bool_}
    for kind, abstract in kinds.items():
        if jnp.issubdtype(dtype, abstract):
            return kind
    return "key" if jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key) else "other"
