"""Requests and slots: what was asked for, by which line; and a request with what it came to."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.errors import Party, TenureError, brief
from tenure.core.notation.refs import Ref
from tenure.core.notation.stage import Spec, Stage
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
      asked_stages: what the request itself wants its value to go through.
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
    asked_stages: tuple[Stage | None, ...] = ()
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

    def linked(self, **found: Any) -> Slot:
        """The slot that it comes to, with what was found out: as `Slot(...)`, at a fraction of the time."""
        new = object.__new__(Slot)
        new.__dict__.update(self.__dict__, specs=_NONE, parts=_NONE, **found)
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
        what = "" if self.dtype is None else f"{shape} {named(self.dtype)}"
        return Party(role, self.path, what, str(self.site), self.asker, through)


@dataclasses.dataclass(frozen=True, eq=False)
class Slot(Request):
    """A request with what it came to, once all requests of the model are known.

    Attributes:
      kind: "owned", "borrowed" or "given".
      target: what a borrower borrows, with an absolute path.
      axes: the request's, or those that the owner's views lead to.
      stages, use_stages: what its value goes through for all users, and for this use.
      leaf: the shape and dtype of what is stored, where stages make that another than the request's.
      specs: stage's name → the shape and dtype that it gives.
      parts: (stage's name, part's name) → the path of a further leaf.
      part_of, stage: for such a leaf, whose it is, and the stage's name.
      frozen: whether a stage keeps gradients from it.
      modes: (training, inside of a loop or another transformation) of each request for it.
      notes: what a reader of the ledger should know.
    """

    kind: str = "owned"
    target: Ref | None = None
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

    @property
    def staged(self) -> bool:
        """Whether its value goes through stages, for all users or for this use."""
        return bool(self.stages or self.use_stages)

    @property
    def spec(self) -> Spec:
        """The shape and dtype of its value, of one layer."""
        return Spec(self.shape, self.dtype)

    def parts_of(self, stages: Iterable[Stage]) -> dict[tuple[str, str], str]:
        """The leaves that some of its stages keep: (stage's name, part's name) → path."""
        labels = {stage.label for stage in stages}
        return {part: path for part, path in self.parts.items() if part[0] in labels}

    @property
    def lenders(self) -> list[Ref]:
        """The references to the slots that it borrows from: its target, and those inside of the target's views."""
        refs = [] if self.target is None else [self.target]
        for ref in refs:  # which grows
            refs += ref.others()
        return refs

    @functools.cached_property
    def full_shape(self) -> tuple[int, ...]:
        """The shape of the leaf: of all layers, if stacked."""
        return self.layers + (self.shape if self.leaf is None else self.leaf.shape)

    @property
    def full_dtype(self) -> Any:
        """The dtype of the leaf."""
        return self.dtype if self.leaf is None else self.leaf.dtype


Slots = dict[str, Slot]


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
        sizes = tuple(map(whole_number, [shape] if isinstance(shape, (int, np.integer)) else shape))
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


def whole_number(value: Any) -> int:
    """An int from what stands for one. Raises `TypeError` for anything else, and for a truth value."""
    if isinstance(value, bool):
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
    found = [kind for kind, abstract in kinds.items() if jnp.issubdtype(dtype, abstract)]
    return found[0] if found else "key" if jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key) else "other"
