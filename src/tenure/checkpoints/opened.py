"""A checkpoint that is open: its manifest, and leaves that are read when they are asked for."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any, NamedTuple

from tenure.checkpoints import folder, leaves, manifest, sharded
from tenure.checkpoints.errors import DamagedError
from tenure.checkpoints.tensors import TensorFile
from tenure.core.ledger.ledger import Ledger


@dataclasses.dataclass(frozen=True)
class FileLeaf:
    """A tensor of a file."""

    file: TensorFile
    name: str
    verify: bool

    @functools.cached_property
    def _spec(self) -> Any:
        return self.file.spec(self.name)

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self._spec[0]

    @property
    def dtype(self) -> Any:
        """Its dtype, on the host."""
        return self._spec[1]

    @property
    def form(self) -> str:
        """What kind of leaf it was."""
        return self._spec[2]

    def read(self) -> Any:
        """Its values, as a view of the file."""
        return self.file.array(self.name, self.verify)

    def place(self, sharding: Any) -> Any:
        """The leaf that was saved, on devices."""
        return leaves.from_host(self.name, self.read(), self.form, sharding)


class Peek(NamedTuple):
    """What a checkpoint says of itself, without its arrays.

    Attributes:
      step, metadata: as they were saved.
      ledger: of the model that was saved.
      holds: which of "state", "opt_state" and "key" were saved with it.
    """

    step: int | None
    metadata: Any
    ledger: Ledger
    holds: tuple[str, ...]


def peek(path: str | Path) -> Peek:
    """What a checkpoint says of itself; no array is read.

    Raises:
      CheckpointError, NewerFormatError, DamagedError: as `tn.restore`.

    >>> import tempfile, jax.numpy as jnp, tenure as tn
    >>> model = tn.transform(lambda x: tn.nn.Linear(3)(x))
    >>> path = tn.save(tempfile.mkdtemp() + "/run", model.plan(jnp.ones(2)), model.init(0, jnp.ones(2)), step=7)
    >>> peek(path).step, peek(path).ledger.count()
    (7, 9)
    """
    opened = Opened(path)
    body = opened.body
    return Peek(body["step"], body["metadata"], opened.ledger, tuple(n for n in body["has"] if isinstance(n, str)))


class Opened:
    """A checkpoint, opened.

    Args:
      path: its folder.
      verify: whether to compare checksums of what is read.

    Raises:
      CheckpointError, NewerFormatError, DamagedError: it is none, or not whole.
    """

    def __init__(self, path: str | Path, verify: bool = True):
        self.path, self._verify = folder.as_path(path), verify
        for attempt in (1, 2, 3):
            self.body = manifest.read(self.path)
            try:
                self._files = {name: self._open(name, about) for name, about in self.body["files"].items()}
                break
            except DamagedError:
                if attempt == 3 or manifest.read(self.path) == self.body:
                    raise  # else it was overwritten meanwhile

    def _open(self, name: str, about: Any) -> Any:
        return (sharded.ShardedFile if name.endswith(".ocdbt") else TensorFile)(self.path / name, about)

    @functools.cached_property
    def ledger(self) -> Ledger:
        """Who owned and who borrowed."""
        return manifest.ledger_from_data(self.body["ledger"], self.path / manifest.NAME)

    def leaves(self, group: str) -> dict[str, Any]:
        """The leaves of a group, "params", "state" or "training", by name."""
        if group not in self.body["groups"]:
            return {}
        file = self._files[self.body["groups"][group]]
        make = sharded.ShardedLeaf if isinstance(file, sharded.ShardedFile) else FileLeaf
        return {name: make(file, name, self._verify) for name in file.names}

    def check(self) -> None:
        """Reads everything.

        Raises:
          DamagedError: something is not as it was written.
        """
        for group in self.body["groups"]:
            for leaf in self.leaves(group).values():
                leaf.read()
