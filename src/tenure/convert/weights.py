"""What a file of weights holds, whatever its format: tensors by name, ties, and what else the file says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tenure.convert import names
from tenure.convert.errors import damaged, unknown_tensor
from tenure.core.errors import TenureError
from tenure.core.notation.view import View


@dataclass(frozen=True)
class Tensor:
    """One tensor of a file.

    Attributes:
      shape: of the array that `load` returns.
      dtype: likewise.
      load: reads the array.
      stored: how the file keeps the values where that is not `dtype`, such as "Q4_1".
      size: the bytes in the file, where they are known before reading.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    load: Callable[[], np.ndarray] = field(repr=False)
    stored: str = ""
    size: int | None = None

    @property
    def count(self) -> int:
        """How many values the tensor has."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """The bytes that the tensor takes in the file, or as an array where the file does not say."""
        return self.count * self.dtype.itemsize if self.size is None else self.size


def held(value: Any, size: int | None = None) -> Tensor:
    """A tensor that is in memory already.

    Args:
      value: an array.
      size: its bytes in the file; None for those of the array.

    >>> held(np.ones((2, 3), "float16")).nbytes
    12
    """
    array = np.asarray(value)
    return Tensor(array.shape, array.dtype, lambda: array, size=size)


class Weights(Mapping[str, np.ndarray]):
    """The tensors of a file by name, each read when it is asked for.

    Attributes:
      path: the file.
      format: its name, such as "safetensors".
      tensors: shapes, dtypes and how to read, by name, in the file's order.
      ties: names without values of their own, and what each of them is: another name, with views as in `"w | transpose"`.
      about: what else the file says, as plain data.

    >>> weights = Weights("w.npz", "npz", {"w": held(np.ones((2, 3)))}, ties={"v": "w | transpose"})
    >>> sorted(weights), weights["v"].shape
    (['v', 'w'], (3, 2))
    """

    def __init__(
        self,
        path: str | Path,
        format: str,
        tensors: Mapping[str, Tensor],
        ties: Mapping[str, str] | None = None,
        about: Mapping[str, Any] | None = None,
    ):
        """Binds the tensors of a file.

        Args:
          path: of the file.
          format: the name of its format.
          tensors: by name.
          ties: name → the name of the tensor that it is.
          about: whatever else the file says.
        """
        self.path, self.format, self.tensors = path, format, dict(tensors)
        self.ties, self.about = dict(ties or {}), dict(about or {})
        for name in self.ties:
            self._end(name)

    def __getitem__(self, name: str) -> np.ndarray:
        owner, views = self._end(name)
        return names.seen({owner: self.tensors[owner].load()}, owner, views)

    def __iter__(self) -> Iterator[str]:
        yield from self.tensors
        yield from self.ties

    def __len__(self) -> int:
        return len(self.tensors) + len(self.ties)

    def __contains__(self, name: object) -> bool:
        return name in self.tensors or name in self.ties

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, or of what a tied name stands for."""
        owner, views = self._end(name)
        return names.seen_shape(self.tensors[owner].shape, views)

    def owner(self, name: str) -> str:
        """The name under which the values are kept: `name` itself, or the end of its ties."""
        return self._end(name)[0]

    def views(self, name: str) -> tuple[View, ...]:
        """The views from the owner's values to those of a tied name."""
        return self._end(name)[1]

    def _parsed(self, name: str) -> tuple[str, tuple[View, ...]]:
        try:
            return names.parse(self.ties[name])
        except TenureError as error:
            raise damaged(self.path, f"the tie of '{name[:200]}'", error.rule) from None

    def _end(self, name: str) -> tuple[str, tuple[View, ...]]:
        """Where the values of a name are, and the views from there."""
        views: tuple[View, ...] = ()
        seen = [name]
        while seen[-1] not in self.tensors:
            if seen[-1] not in self.ties:
                if len(seen) == 1:
                    raise unknown_tensor(self.path, name, self)
                raise damaged(self.path, f"the tie of '{name}'", f"there is no '{seen[-1]}'")
            kept, steps = self._parsed(seen[-1])
            views = (*steps, *views)
            seen.append(kept)
            if kept in seen[:-1]:
                raise damaged(self.path, f"the tie of '{name}'", "it leads back to itself: " + " → ".join(seen))
        return seen[-1], views


__all__ = ["Tensor", "Weights", "held"]
