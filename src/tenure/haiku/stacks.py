"""Stacks, of one thread or of each."""

from __future__ import annotations

import collections
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Stack(Generic[T]):
    """A stack that iterates from its top.

    >>> stack = Stack()
    >>> with stack(1), stack(2):
    ...     list(stack), stack.peek()
    ([2, 1], 2)
    """

    def __init__(self) -> None:
        self._storage: collections.deque[Any] = collections.deque()

    def __len__(self) -> int:
        return len(self._storage)

    def __iter__(self) -> Iterator[T]:
        return reversed(self._storage)

    def clone(self) -> Stack[T]:
        """A copy."""
        return self.map(lambda element: element)

    def map(self, fn: Callable[[T], Any]) -> Stack[Any]:
        """A copy with other elements."""
        made = type(self)()
        made._storage.extend(fn(element) for element in self._storage)
        return made

    def push(self, elem: T) -> None:
        """Puts an element on top."""
        self._storage.append(elem)

    def pushleft(self, elem: T) -> None:
        """Puts an element at the bottom."""
        self._storage.appendleft(elem)

    def pop(self) -> T:
        """Takes the top element."""
        return self._storage.pop()

    def popleft(self) -> T:
        """Takes the bottom element."""
        return self._storage.popleft()

    def peek(self, depth: int = -1) -> T:
        """The top element, or the one `-depth` from the top."""
        return self._storage[depth]

    @contextlib.contextmanager
    def __call__(self, elem: T) -> Iterator[None]:
        """Within, the element is on top."""
        self.push(elem)
        try:
            yield
        finally:
            assert self.pop() is elem


class ThreadLocalStack(Stack[T], threading.local):
    """A stack that each thread has its own of."""
