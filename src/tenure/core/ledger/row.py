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
        """Whether all values are of their types, and all owners among the `known` paths: for rows from a file."""
        texts = self.path, self.dtype, self.borrows, self.origin, self.asker, self.site, self.part_of, self.stage
        many = self.owners, self.chain, self.views, self.notes, self.stages
        sizes = isinstance(self.shape, tuple) and all(type(n) is int and 0 <= n < 2**63 for n in self.shape[:64])
        return (
            self.kind in ("owned", "borrowed", "given")
            and self.collection in ("params", "state")
            and all(isinstance(text, str) for text in texts)
            and all(isinstance(item, tuple) and all(isinstance(text, str) for text in item) for item in many)
            and (
                self.axes is None
                or (isinstance(self.axes, tuple) and all(isinstance(a, str | None) for a in self.axes))
            )
            and (type(self.layers) is int and 0 <= self.layers < 2**63 and type(self.frozen) is bool)
            and (not self.part_of or self.part_of in known)
            and (sizes and len(self.shape) <= 64 and self.bytes >= 0)
            and (self.chain[:1] == (self.path,) and (len(self.chain) > 1) == (self.kind == "borrowed"))
            and (bool(self.owners) and known.issuperset((*self.owners, *self.chain)))
        )

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
        return self.count * (
            0 if self.dtype == "tree" else jnp.dtype(self.dtype).itemsize if not self.dtype.startswith("key") else 8
        )

    def party(self, role: str) -> Party:
        """This row as a row of an error."""
        return Party(role, self.path, f"{self.shape} {self.dtype}", self.site, self.asker)
