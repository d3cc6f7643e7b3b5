"""`init` and `apply` as objects: another process makes them again of the function that was transformed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax

from tenure.core.picklable import check_picklable


class Tied:
    """A function, and the ties and stages that it is to be transformed with."""

    def __init__(self, function: Callable[..., Any], ties: Any, stages: Any):
        self.function, self.ties, self.stages = function, ties, stages
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __reduce__(self) -> Any:
        return Tied, (self.function, self.ties, self.stages)


class Half:
    """One of the functions of a transformed pair. Attributes of the function, such as its signature, are its own too.

    Attributes:
      function: what it calls.
      made: (maker, arguments, position, leaf): how another process makes the function again.
    """

    def __init__(self, function: Callable[..., Any], made: tuple[Any, ...]):
        functools.update_wrapper(self, function)
        del self.__dict__["__wrapped__"]  # the signature is in __signature__
        self.function, self.made = function, made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __reduce__(self) -> Any:
        _, (f, *_), *_ = self.made
        tied = isinstance(f, Tied)
        if tied or not isinstance(f, tuple):  # what a transform returned says for itself what does not pickle
            check_picklable(
                f.function if tied else f, (f.ties if tied else None) or {}, (f.stages if tied else None) or {}
            )
        return _again, self.made

    def __deepcopy__(self, memo: Any) -> Half:
        return self


def _again(maker: Callable[..., Any], arguments: tuple[Any, ...], position: int, leaf: int | None) -> Any:
    half = maker(*arguments)[position]
    return half if leaf is None else jax.tree.leaves(half)[leaf]


def halves(made: Any, maker: Callable[..., Any], *arguments: Any) -> Any:
    """A transformed pair whose functions pickle, made by `maker(*arguments)`; `apply` may be a tree of functions."""
    init = Half(made.init, (maker, arguments, 0, None))
    leaves, tree = jax.tree.flatten(made.apply)
    single = len(leaves) == 1 and leaves[0] is made.apply
    applies = [Half(apply, (maker, arguments, 1, None if single else i)) for i, apply in enumerate(leaves)]
    return type(made)(init, jax.tree.unflatten(tree, applies))


__all__ = ["Half", "Tied", "halves"]
