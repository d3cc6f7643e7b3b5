"""A slot: one request for a parameter or a state, as the plan records it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tenure.core.errors import Party, TenureError, brief
from tenure.core.notation.refs import Ref
from tenure.core.notation.stage import Stage
from tenure.core.sites import NOWHERE, Site
from tenure.core.slots.sources import OWN, Source


@dataclasses.dataclass
class Slot:
    """One request for a parameter or a state, as the plan records it.

    Attributes:
      path: absolute.
      kind: "owned", "borrowed" or "given".
      shape, dtype: as requested; inside a layer stack, of one layer.
      source: what the ties, the share or the declaration say.
      asker: the module that asked, as text.
      site: the line that asked.
      target: what is borrowed, with an absolute path; set when the plan is linked.
      stack: the layer stacks around it.
      axes: logical axis names.
      make: creates one value, drawing keys as it goes; None if only the forward pass can.
      init: the initialiser as handed in.
      explicit_init: whether the program, and not the layer's default, chose `init`.
      order: when it was first asked for.
      value: the structure of shapes of a state that is not one array.
      asked: the stages that the request itself names.
      stages, use_stages: what its value goes through for all users, and for this use; set when the plan is linked.
      leaf: the shape and dtype of what is stored, where stages make that another.
      specs: stage's name → the shape and dtype that it gives.
      parts: (stage's name, part's name) → the path of a further leaf.
      part_of, stage: for such a leaf, whose it is.
      frozen: whether a stage keeps gradients from it.
      modes: (training, inside of a loop or another transformation) of each request.
      notes: what a reader of the ledger should know.
    """

    path: str
    kind: str
    shape: tuple[int, ...]
    dtype: Any
    source: Source = OWN
    asker: str = ""
    site: Site = NOWHERE
    target: Ref | None = None
    stack: tuple[tuple[str, int], ...] = ()
    axes: tuple[str | None, ...] | None = None
    make: Callable[[], Any] | None = None
    init: Any = None
    explicit_init: bool = False
    order: int = 0
    collection: str = "params"
    value: Any = None
    birth: Any = None
    declared: bool = False
    asked: tuple[Stage | None, ...] = ()
    stages: tuple[Stage, ...] = ()
    use_stages: tuple[Stage, ...] = ()
    leaf: Any = None
    specs: dict[str, Any] = dataclasses.field(default_factory=dict)
    parts: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)
    part_of: str = ""
    stage: str = ""
    frozen: bool = False
    modes: set[tuple[bool, bool]] = dataclasses.field(default_factory=set)
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def full_shape(self) -> tuple[int, ...]:
        """The shape of the leaf: of all layers, if stacked."""
        return tuple(n for _, n in self.stack) + (self.shape if self.leaf is None else self.leaf.shape)

    @property
    def full_dtype(self) -> Any:
        """The dtype of the leaf."""
        return self.dtype if self.leaf is None else self.leaf.dtype

    def party(self, role: str, through: str = "") -> Party:
        """This slot as a row of an error."""
        shape = tuple(n for _, n in self.stack) + self.shape if role == "owner" else self.shape
        what = f"{shape} {named(self.dtype)}"
        return Party(role, self.path, what, str(self.site), self.asker, through)


def named(dtype: Any) -> str:
    """A dtype's name, however it was written.

    >>> import jax.numpy as jnp
    >>> named(jnp.float32), named(jnp.ones(2).dtype), named("bfloat16")
    ('float32', 'float32', 'bfloat16')
    """
    return str(getattr(dtype, "name", None) or getattr(dtype, "__name__", dtype))


def as_shape(shape: Any, path: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(s) for s in ([shape] if isinstance(shape, (int, np.integer)) else shape))
        if any(s < 0 for s in sizes):
            raise ValueError
        return sizes
    except (TypeError, ValueError):
        raise TenureError(
            f"the shape of '{path}' is {brief(shape)}, not a sequence of sizes", ways=["shape=(3, 4)"]
        ) from None
