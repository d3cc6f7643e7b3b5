"""What was done when weights were brought into a model that is not the one that they were saved from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple


class Entry(NamedTuple):
    """One thing that a reader should know.

    Attributes:
      kind: "filled" (from another path, or through a view), "assigned" (through stages), "checked" (a second value for
        one owner that is equal to the first), "dropped" (a second value that is not kept), "missing", "unexpected",
        "resized", "dtype", "renamed", "omitted" (what the file could not hold), "skipped" (a damaged checkpoint).
      path: the slot's.
      text: a sentence.
    """

    kind: str
    path: str
    text: str


@dataclasses.dataclass(frozen=True)
class Report:
    """The entries, in the order in which things happened. Empty if file and model have the same slots and ties."""

    entries: tuple[Entry, ...] = ()

    def of(self, kind: str) -> dict[str, str]:
        """Paths → sentences of one kind.

        >>> Report((Entry("filled", "head/w", "from 'embed/w | transpose'"),)).of("filled")
        {'head/w': "from 'embed/w | transpose'"}
        """
        return {e.path: e.text for e in self.entries if e.kind == kind}

    def with_skipped(self, reasons: Mapping[str, str]) -> Report:
        """With the checkpoints that were skipped in front: folder's name → why."""
        return Report((*(Entry("skipped", name, why) for name, why in reasons.items()), *self.entries))

    def __bool__(self) -> bool:
        return bool(self.entries)

    def __str__(self) -> str:
        return "\n".join(f"{e.kind:<10}  {e.path}  {e.text}" for e in self.entries)


class Notes:
    """Collects entries."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, kind: str, path: str, text: str) -> None:
        """One more.

        Args:
          kind: "filled", "checked", "missing" and the like: the kinds of `Entry`.
          path: the slot's.
          text: what was done.
        """
        self.entries.append(Entry(kind, path, text))

    def report(self) -> Report:
        """What was collected."""
        return Report(tuple(self.entries))
