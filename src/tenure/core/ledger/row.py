"""One slot as the ledger tells it."""

from __future__ import annotations

import dataclasses
import math

import jax.numpy as jnp

from tenure.core.errors import Party


@dataclasses.dataclass(frozen=True)
class Row:
    """One slot.

    Attributes:
      path: absolute.
      kind: "owned", "borrowed" or "given".
      collection: "params" or "state".
      shape, dtype: of the slot; for an owner in a layer stack, of all layers.
      owners: the owners' paths; the slot's own for an owned one; several for a concatenation.
      chain: from this slot to its owner, hop by hop.
      views: the views of all hops, from the owner's value to this slot's, as text.
      borrows: the reference to the next slot of the chain, as text.
      axes: logical axis names.
      origin: what tied it: "share", "ties", "declare" or "".
      asker, site: the module that asked, and where.
      notes: what a reader should know: an override, an initialiser that is not used.
      layers: for a borrower, the number of layers of the stacks around it: it is used in each.
      stages: what its value goes through, in order; those of one use last.
      part_of, stage: for a leaf that a stage keeps, whose it is, and the stage's name; `asker` is then the stage itself.
      frozen: whether a stage keeps gradients from it.
    """

    path: str
    kind: str
    collection: str
    shape: tuple[int, ...]
    dtype: str
    owners: tuple[str, ...]
    chain: tuple[str, ...]
    views: tuple[str, ...] = ()
    borrows: str = ""
    axes: tuple[str | None, ...] | None = None
    origin: str = ""
    asker: str = ""
    site: str = ""
    notes: tuple[str, ...] = ()
    layers: int = 1
    stages: tuple[str, ...] = ()
    part_of: str = ""
    stage: str = ""
    frozen: bool = False

    def is_valid(self, known: set[str]) -> bool:
        """Whether all values are of their types, and all owners among the `known` paths: for rows from a file.

        Args:
          known: the paths of all rows.
        """
        texts = self.path, self.dtype, self.borrows, self.origin, self.asker, self.site, self.part_of, self.stage
        many = texts, self.owners, self.chain, self.views, self.notes, self.stages
        axes = () if self.axes is None else self.axes
        return (
            self.kind in ("owned", "borrowed", "given")
            and self.collection in ("params", "state")
            and all(isinstance(item, tuple) for item in (*many, axes, self.shape))
            and all(isinstance(text, str) for item in many for text in item)
            and all(isinstance(axis, str | None) for axis in axes)
            and (len(self.shape) <= 64 and all(type(n) is int and 0 <= n < 2**63 for n in (*self.shape, self.layers)))
            and (type(self.frozen) is bool and self.bytes >= 0)
            and (not self.part_of or self.part_of in known)
            and (self.chain[:1] == (self.path,) and (len(self.chain) > 1) == (self.kind == "borrowed"))
            and (bool(self.owners) and known.issuperset((*self.owners, *self.chain)))
        )

    @property
    def counted(self) -> bool:
        """Whether it is a leaf of `params`, whose elements are counted."""
        return self.kind == "owned" and self.collection == "params"

    @property
    def view(self) -> str:
        """A borrower's own views: what it does to the value of its lender, the next slot of its chain."""
        return self.borrows.partition(" | ")[2]

    @property
    def staged(self) -> str:
        """What the value goes through: `weight_norm · noise(0.05)`; of a stage's leaf, whether it is frozen."""
        return " ".join([*[" · ".join(self.stages)] * bool(self.stages), *["(frozen)"] * self.frozen])

    @property
    def stage_kind(self) -> str:
        """For a leaf that a stage keeps: what kind of stage, whatever its name is."""
        return self.asker.partition("(")[0] if self.part_of else ""

    @property
    def count(self) -> int:
        """The number of elements; of a borrower, in all layers that it stands in."""
        return math.prod(self.shape) * self.layers

    @property
    def bytes(self) -> int:
        """What the elements take in memory."""
        if self.dtype == "tree":
            return 0
        return self.count * (8 if self.dtype.startswith("key") else jnp.dtype(self.dtype).itemsize)

    def party(self, role: str) -> Party:
        """This row as a row of an error."""
        return Party(role, self.path, f"{self.shape} {self.dtype}", self.site, self.asker)
