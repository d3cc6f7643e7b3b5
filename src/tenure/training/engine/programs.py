"""Compiled programs of a step, one for each shape of batches: known shapes ahead of time, others when they come."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.extend import core

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True)
class Compiled:
    """What compiling one program took.

    Attributes:
      seconds: of tracing and compiling.
      held: bytes of the arguments and results on each device: parameters, optimizer, batch.
      working: bytes of what is computed in between.
    """

    seconds: float
    held: int | None
    working: int | None

    def __str__(self) -> str:
        if self.working is None or self.held is None:
            return f"{self.seconds:.1f} s"
        total = size(self.held + self.working)
        return f"{self.seconds:.1f} s, memory {total}: {size(self.held)} arguments and results, {size(self.working)} working"


class Programs:
    """A function of one batch, compiled for several shapes of it.

    Args:
      function: with static arguments by keyword, and no others by keyword.
      batch: which of its arguments the batch is.
      static: names of the static arguments.
      donate: the argument whose memory is used anew.
      say: is told of a shape that is compiled when it comes.

    >>> programs = Programs(lambda scale, batch: scale * batch["data"].sum(), batch=1)
    >>> done = programs.compile((2.0, {"data": jax.ShapeDtypeStruct((2, 3), "float32")}))
    >>> float(programs(2.0, {"data": np.ones((2, 3), "float32")})), len(programs.known)
    (12.0, 1)
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        batch: int,
        static: Iterable[str] = (),
        donate: int | None = None,
        say: Callable[[str], None] = lambda text: None,
    ):
        donated = () if donate is None else (donate,)
        self.jitted = jax.jit(function, static_argnames=tuple(static), donate_argnums=donated)
        self._batch, self._say = batch, say
        self.known: dict[Any, Any] = {}
        self._calling_python: set[Any] = set()
        self._done: set[Any] = set()

    def _key(self, arguments: tuple[Any, ...], static: Mapping[str, Any]) -> Any:
        leaves, tree = jax.tree.flatten(arguments[self._batch])
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        missing = tuple(argument is None for argument in arguments)
        return tree, shapes, missing, tuple(sorted(static.items())) if static else ()

    def __call__(self, *arguments: Any, **static: Any) -> Any:
        key = self._key(arguments, static)
        if key not in self.known:
            done = self.compile(arguments, **static)
            self._say(f"compiled a new shape, {shape(arguments[self._batch])}: {done}")
        try:
            found = self.known[key](*arguments)
        except (TypeError, ValueError):  # it was compiled for other types or places of parameters
            self.known[key] = functools.partial(self.jitted, **static)
            found = self.known[key](*arguments)
        self._done.add(key)
        return found

    def has(self, arguments: tuple[Any, ...], **static: Any) -> bool:
        """Whether there is a program for such arguments."""
        return self._key(arguments, static) in self.known

    def beside_others(self, arguments: tuple[Any, ...], **static: Any) -> bool:
        """Whether threads may run the program for such arguments at the same time: it has run once, and calls no Python."""
        key = self._key(arguments, static)
        return key in self._done and key not in self._calling_python

    def compile(self, arguments: tuple[Any, ...], **static: Any) -> Compiled:
        """Compiles the function for the shapes of arguments; they may be abstract, and nothing is computed."""
        began, key = time.monotonic(), self._key(arguments, static)
        traced = self.jitted.trace(*arguments, **static)
        if _calls_python(traced.jaxpr):
            self._calling_python.add(key)
        program = traced.lower().compile()
        self.known[key] = program
        memory = program.memory_analysis()
        took = time.monotonic() - began
        if memory is None:
            return Compiled(took, None, None)
        held = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
        return Compiled(took, held, memory.temp_size_in_bytes)


@dataclass(frozen=True)
class Ready:
    """A step whose batch is there, and which is computed when it is called.

    Attributes:
      program: that computes it.
      arguments, static: of the program.
      finish: makes the step's result of what the program gives.
    """

    program: Programs
    arguments: tuple[Any, ...]
    static: Mapping[str, Any]
    finish: Callable[[Any], Any]

    @property
    def beside_others(self) -> bool:
        """Whether it may be computed in a thread while others are; see `Programs`."""
        return self.program.beside_others(self.arguments, **self.static)

    def __call__(self) -> Any:
        """Its result, which the device may still be computing."""
        return self.finish(self.program(*self.arguments, **self.static))

    def whole(self) -> Any:
        """Its result, when that is there."""
        return jax.block_until_ready(self())


def inside(equation: Any) -> Iterator[Any]:
    """The jaxprs that an equation of a jaxpr calls."""
    for value in equation.params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            jaxpr = getattr(part, "jaxpr", part)
            if isinstance(jaxpr, core.Jaxpr):
                yield jaxpr


def _calls_python(jaxpr: Any) -> bool:
    """Whether there are callbacks in a jaxpr, those that print included."""
    return bool(jaxpr.effects) or any(
        "callback" in equation.primitive.name or any(map(_calls_python, inside(equation))) for equation in jaxpr.eqns
    )


def shape(batch: Mapping[str, Any]) -> str:
    """The shape of a batch.

    >>> shape({"data": (np.ones((4, 50, 3)), np.ones(4)), "one": np.ones(4)})
    '4 x (data 50)'
    """
    pairs = {key: value[0] for key, value in sorted(batch.items()) if isinstance(value, tuple)}
    rows = next((np.shape(leaf)[0] for leaf in jax.tree.leaves(batch) if np.ndim(leaf)), 0)
    return f"{rows} x ({', '.join(f'{key} {np.shape(array)[1]}' for key, array in pairs.items())})"


def size(count: float) -> str:
    """Bytes for people.

    >>> size(0), size(1536), size(3 * 2**30)
    ('0 B', '1.5 KiB', '3.0 GiB')
    """
    for unit in _UNITS:
        if count < 1024 or unit == _UNITS[-1]:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError
