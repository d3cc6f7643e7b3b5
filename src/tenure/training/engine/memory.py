"""How much memory a step of training needs: estimated from its trace, or measured by XLA when it compiles the step.

The estimate walks through the operations of the traced step in their order, and adds up what is alive at each of them. XLA orders
operations anew and joins many of them, so that it mostly needs less, and, where it lays arrays out anew, sometimes more.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.extend import core

from tenure.network.model import ROWS
from tenure.training.batching.arrays import Padded
from tenure.training.batching.buckets import Shape
from tenure.training.engine.feeding import Feed
from tenure.training.engine.programs import inside, size
from tenure.training.engine.step import State, Steps
from tenure.training.errors import TrainingError


def shapes(feed: Feed, epoch: int = 1, limit: float = 5.0) -> dict[Shape, int]:
    """The shapes that the batches of an epoch are padded to, the largest first, with how many batches have each.

    Args:
      feed: the data.
      epoch: which.
      limit: seconds after which no more batches are planned.
    """
    found: Counter[Shape] = Counter()
    sequences, until = feed.data.epoch(epoch), time.monotonic() + limit
    for batch in feed.plan(epoch, sequences, guess=feed.data.guesses_lengths):
        own = Shape.of(batch, feed.timed)
        padded = feed.shape(batch, sequences) or own
        found[padded if feed.spare else Shape(batch.rows, padded.frames)] += 1
        if time.monotonic() > until:
            break
    return dict(sorted(found.items(), key=lambda item: -item[0].cells))


@dataclass(frozen=True)
class Need:
    """The memory of one step.

    Attributes:
      shape: of its batch.
      bytes: in all, parameters and optimizer included.
      seconds: that it took to find out.
      measured: whether XLA says so; else it is an estimate.
    """

    shape: Shape
    bytes: int
    seconds: float
    measured: bool


def told(need: Need, batches: int) -> tuple[str, str]:
    """Which batches a need is of, and what it is.

    >>> told(Need(Shape(16, {"data": 208}), 3 << 20, 1.25, True), 1)
    ('memory of 16 x (data 208)', '3.0 MiB, compiled in 1.2 s; 1 batch')
    """
    says = f"{size(need.bytes)}, compiled in {need.seconds:.1f} s" if need.measured else f"about {size(need.bytes)}"
    return f"memory of {need.shape}", f"{says}; {batches:,} batch{'es' * (batches != 1)}"


class Memory:
    """Finds out how much memory the steps of a network need. No values are made, and nothing runs.

    Args:
      steps: the compiled functions, with an updater.
      feed: the data.
      example: a batch of them.
    """

    def __init__(self, steps: Steps, feed: Feed, example: Padded):
        self._steps, self._feed, self._example = steps, feed, example
        key = jax.random.key(0)
        assert steps.updater is not None
        params, state = jax.eval_shape(lambda: steps.network.init(key, train=True))
        self.state = State(params, state, jax.eval_shape(steps.updater.init, params))

    def _batch(self, shape: Shape) -> dict[str, Any]:
        arrays: dict[str, Any] = {}
        for name, timed in self._feed.keys.items():
            like = self._example.arrays[name].shape
            dims = (shape.rows, shape.frames[name], *like[2:]) if timed else (shape.rows, *like[1:])
            array = jax.ShapeDtypeStruct(dims, self._feed.dtypes[name])
            arrays[name] = (array, jax.ShapeDtypeStruct((shape.rows,), np.int32)) if timed else array
        if self._feed.buckets is not None and self._feed.spare:
            arrays[ROWS] = jax.ShapeDtypeStruct((), np.int32)
        return arrays

    def estimated(self, shape: Shape) -> Need:
        """The estimate for one shape."""
        began = time.monotonic()
        traced = self._steps.traced(self.state, self._batch(shape))
        donated = len(jax.tree.leaves(self.state))
        return Need(shape, peak(traced.jaxpr, donated), time.monotonic() - began, False)

    def measured(self, shape: Shape) -> Need:
        """What XLA says for one shape when it has compiled the step.

        Raises:
          TrainingError: it does not say.
        """
        found = self._steps.compiled(self.state, self._batch(shape))
        if found.held is None or found.working is None:
            raise TrainingError(
                "XLA does not say how much memory a step needs on this device", ways=["check without --compile"]
            )
        return Need(shape, found.held + found.working, found.seconds, True)


def device_memory() -> int | None:
    """Bytes of the first device; None if it does not say."""
    found = jax.devices()[0].memory_stats()
    return None if found is None else found.get("bytes_limit")


def _bytes(of: Any) -> int:
    aval = getattr(of, "aval", of)
    shape, dtype = getattr(aval, "shape", None), getattr(aval, "dtype", None)
    if shape is None or dtype is None:
        return 0
    return int(np.prod(shape, dtype=np.int64)) * getattr(dtype, "itemsize", 4)


def peak(jaxpr: Any, donated: int = 0) -> int:
    """The most bytes that are alive at once while the operations are done in their order.

    Args:
      jaxpr: the operations.
      donated: so many of the first inputs are not needed after their last use.
    """
    last: dict[Any, int] = {}
    for place, equation in enumerate(jaxpr.eqns):
        for var in equation.invars:
            if isinstance(var, core.Var):
                last[var] = place
    held = {*jaxpr.invars[donated:], *jaxpr.constvars}
    kept = {var for var in jaxpr.outvars if isinstance(var, core.Var)} | held
    free: dict[int, list[Any]] = {}
    for var, place in last.items():
        if var not in kept:
            free.setdefault(place, []).append(var)
    alive = most = sum(_bytes(var) for var in (*jaxpr.invars, *jaxpr.constvars))
    made: set[Any] = set(jaxpr.invars[:donated])
    for place, equation in enumerate(jaxpr.eqns):
        inner = max((_more(sub) for sub in inside(equation)), default=0)
        new = [] if equation.primitive.name in _VIEWS else equation.outvars
        made.update(new)
        results = sum(_bytes(var) for var in new)
        copies = results if equation.primitive.name in _LOOPS else 0
        if equation.primitive.name == "conv_general_dilated":
            copies = results + sum(_bytes(var) for var in equation.invars)
        most = max(most, alive + max(inner, results) + copies)
        alive += results
        alive -= sum(_bytes(var) for var in free.get(place, ()) if var in made)
    return most


_VIEWS = (
    "broadcast_in_dim",
    "reshape",
    "iota",
    "squeeze",
    "expand_dims",
    "convert_element_type",
    "copy",
    "stop_gradient",
)

_LOOPS = ("scan", "while")  # XLA copies what goes into a loop and is changed there


def _more(jaxpr: Any) -> int:
    """What a part needs beyond its inputs."""
    return peak(jaxpr) - sum(_bytes(var) for var in (*jaxpr.invars, *jaxpr.constvars))
