"""Numbers of frames, one per stream of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

Number = int | float


@dataclass(frozen=True)
class Frames:
    """A number for each named stream, and possibly one for all streams that are not named.

    Attributes:
      of: the named ones.
      rest: the number of every other stream; None if other streams have none.

    >>> Frames({"data": 5}) + Frames(rest=2), Frames.of_value(7)
    (Frames(of={'data': 7}, rest=2), Frames(of={}, rest=7))
    """

    of: Mapping[str, Number] = field(default_factory=dict)
    rest: Number | None = None

    @classmethod
    def of_value(cls, value: Frames | Mapping[str, Number] | Number | None) -> Frames:
        """The numbers that an option means: one number for all streams, or a dictionary."""
        if isinstance(value, Frames):
            return value
        return cls(dict(value)) if isinstance(value, Mapping) else cls(rest=value)

    def get(self, key: str) -> Number | None:
        """The number of one stream, or None."""
        return self.of.get(key, self.rest)

    def __getitem__(self, key: str) -> Number:
        number = self.get(key)
        if number is None:
            raise KeyError(key)
        return number

    def only(self, keys: Iterable[str]) -> Frames:
        """The numbers of some streams."""
        return Frames({key: self[key] for key in keys})

    def map(self, function: Callable[[Number], Number]) -> Frames:
        """Every number, changed by a function."""
        return Frames({k: function(v) for k, v in self.of.items()}, None if self.rest is None else function(self.rest))

    def __add__(self, other: Frames) -> Frames:
        return self._with(other, lambda a, b: (a or 0) + (b or 0))

    def __sub__(self, other: Frames) -> Frames:
        return self._with(other, lambda a, b: (a or 0) - (b or 0))

    def smaller(self, other: Frames) -> Frames:
        """The smaller number of each stream; where only one has a number, that one."""
        return self._with(other, lambda a, b: b if a is None else a if b is None else min(a, b))

    def larger(self, other: Frames) -> Frames:
        """The larger number of each stream; where only one has a number, that one."""
        return self._with(other, lambda a, b: b if a is None else a if b is None else max(a, b))

    def _with(self, other: Frames, function: Callable) -> Frames:
        keys = dict.fromkeys([*self.of, *other.of])
        both_none = self.rest is None and other.rest is None
        rest = None if both_none else function(self.rest, other.rest)
        return Frames({k: function(self.get(k), other.get(k)) for k in keys}, rest)

    def exceeds(self, limit: Frames) -> bool:
        """Whether some stream has more than its limit."""
        return any(value > most for value, most in self._against(limit))

    def reaches(self, limit: Frames) -> bool:
        """Whether some stream has as much as its limit, or more."""
        return any(value >= most for value, most in self._against(limit))

    def below(self, limit: Frames) -> bool:
        """Whether some stream has less than its limit."""
        return any(value < (limit.get(key) or 0) for key, value in self.of.items())

    def _against(self, limit: Frames) -> list[tuple[Number, Number]]:
        """The numbers that have a limit, each with its limit."""
        pairs = [(value, limit.get(key)) for key, value in self.of.items()] + [(self.rest, limit.rest)]
        return [(value, most) for value, most in pairs if value is not None and most is not None]

    def largest(self) -> Number:
        """The largest number of all."""
        return max([*self.of.values(), *([] if self.rest is None else [self.rest])], default=0)


ZERO, UNLIMITED = Frames(rest=0), Frames()
