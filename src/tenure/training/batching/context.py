"""Context windows: frames of the neighbourhood on both sides of a piece; zeros where there are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tenure.core.errors import brief
from tenure.training.batching.chunking import Span
from tenure.training.batching.frames import Frames
from tenure.training.errors import BatchError


@dataclass(frozen=True)
class Context:
    """Frames before and after.

    >>> Context.parse(5), Context.parse(4)
    (Context(left=Frames(of={'data': 2}, rest=None), right=Frames(of={'data': 2}, rest=None)), Context(left=Frames(of={'data': 1}, rest=None), right=Frames(of={'data': 2}, rest=None)))
    """

    left: Frames
    right: Frames

    @classmethod
    def parse(cls, window: Any) -> Context | None:
        """Reads the option `context_window`: a number of frames for the stream "data", itself included; by stream; or a pair
        (left, right).

        Raises:
          BatchError: it is none of these.
        """
        if window is None:
            return None
        if isinstance(window, list | tuple):
            if len(window) != 2:
                raise BatchError(f"context_window is {brief(window)}: a pair is (left, right)")
            if not all(isinstance(side, dict) for side in window):
                raise BatchError(
                    "context_window: the sides of a pair are dictionaries by stream",
                    ways=["({'data': 2}, {'data': 1})"],
                )
            left, right = (_by_stream(side) for side in window)
            return cls(left, right)
        wide = _by_stream(window)
        if any(v < 0 for v in wide.of.values()):
            raise BatchError(f"context_window is {brief(window)}: frames cannot be fewer than 0")
        left = wide.map(lambda n: max(n - 1, 0) // 2)
        return cls(left, wide.map(lambda n: max(n - 1, 0)) - left)

    def widened(self, span: Span) -> Span:
        """A piece with its context."""
        start = span[0] - self.left
        return start, start + (span[1] + self.right - start)  # both name the same streams


def _by_stream(value: Any) -> Frames:
    if isinstance(value, int):
        return Frames({"data": value})
    if isinstance(value, dict) and all(isinstance(v, int) for v in value.values()):
        return Frames(value)
    raise BatchError(f"context_window is {brief(value)}", ways=["an odd number of frames", "{'data': 5}"])
