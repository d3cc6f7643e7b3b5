"""Initialisers that are not traced: a trial run notes which keys they will draw, and they run afterwards, by themselves.

Keys come one from the other, so that the key of a draw is known from how many draws came before it. Tracing an
initialiser would take longer than running it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import get_opaque_trace_state

from tenure import initializers
from tenure.core.keys import initialising
from tenure.core.run.frame import placeholder
from tenure.haiku.config import get_config
from tenure.haiku.engine.keys import PRNGSequence
from tenure.initializers import samples

_CHUNK = 32  # keys that are split off in one call

# How many keys a known initialiser draws. Others are traced.
_DRAWS: dict[Any, int] = {
    initializers.Constant: 0,
    initializers.Identity: 0,
    initializers.Orthogonal: 1,
    initializers.RandomNormal: 1,
    initializers.RandomUniform: 1,
    initializers.TruncatedNormal: 1,
    initializers.UniformScaling: 1,
    initializers.VarianceScaling: 1,
}


class AbandonedError(Exception):
    """The keys go another way than one after the other, or a value depends on one: the run must be traced as it is."""


class CountedKeys(PRNGSequence):
    """Stands in for a sequence of keys, and counts what is drawn.

    Attributes:
      count: how many keys were drawn.
      stand_ins: what the stand-ins that were handed out so far are for: a key's number, or a `Deferred`.
    """

    __slots__ = ("count", "stand_ins", "trace")

    def __init__(self, key: Any):
        self._key, self.count = key, 0
        self.stand_ins: list[int | Deferred] = []
        self.trace = get_opaque_trace_state(convention="tenure")
        self._subkeys = ()  # type: ignore[assignment]

    def __next__(self) -> jax.Array:
        self.count += 1
        return self.stand_in(self.count - 1, self._key.shape, self._key.dtype)

    def stand_in(self, for_what: int | Deferred, shape: Any, dtype: Any) -> jax.Array:
        """An array without a value.

        Args:
          for_what: the number of a key, or the value that is left for afterwards.
          shape, dtype: of the array.
        """
        if get_opaque_trace_state(convention="tenure") != self.trace:
            raise AbandonedError
        self.stand_ins.append(for_what)
        return placeholder(shape, dtype)

    def _abandon(self, *_: Any) -> Any:
        raise AbandonedError

    reserve = take = replace_internal_state = reserve_up_to_full = _abandon  # type: ignore[assignment]
    internal_state = property(_abandon)


@dataclasses.dataclass(frozen=True, eq=False)
class Deferred:
    """A value that its initialiser is to make, with the key of that number; -1 for none."""

    init: Any
    shape: tuple[int, ...]
    dtype: Any
    key: int

    def make(self, keys: list[Any]) -> Any:
        """The value."""
        if self.key < 0:
            return samples.make(self.init, self.shape, self.dtype)
        with initialising(keys[self.key]):
            return self.init(self.shape, self.dtype)


def filled(stand_ins: list[int | Deferred], key: Any, leaves: Sequence[Any]) -> tuple[list[Any], dict[int, Any]]:
    """The values that the stand-ins are for, and those of other deferred values, by identity.

    Args:
      stand_ins: of the trial run.
      key: that the sequence starts from.
      leaves: what is in the parameters' places.
    """
    deferred = [x for x in (*leaves, *stand_ins) if isinstance(x, Deferred)]
    numbers = [x for x in stand_ins if isinstance(x, int)] + [d.key for d in deferred]
    keys = first_keys(key, 1 + max(numbers, default=-1))
    made = {id(d): d.make(keys) for d in {id(d): d for d in deferred}.values()}
    return [keys[x] if isinstance(x, int) else made[id(x)] for x in stand_ins], made


def possible(rng: PRNGSequence | None) -> bool:
    """Whether the keys of this sequence can be counted."""
    if rng is None or get_config().rng_reserve_size != 1:
        return False
    key, subkeys = rng.internal_state
    return not subkeys and key.dtype == jnp.uint32


def draws_one_key(init: Any, dtype: Any) -> bool:
    """Whether a known initialiser draws a single key."""
    return _DRAWS.get(type(init)) == 1 and not jnp.issubdtype(dtype, jnp.complexfloating)


def defer(keys: CountedKeys, init: Any, shape: Any, dtype: Any) -> Deferred | None:
    """The value that a known initialiser will make, or None.

    Args:
      keys: which count what is drawn.
      init: the initialiser.
      shape, dtype: as asked for.
    """
    draws = 0 if init is jnp.zeros or init is jnp.ones else _DRAWS.get(type(init))
    if draws is None or (draws and jnp.issubdtype(dtype, jnp.complexfloating)):
        return None
    if any(isinstance(value, jax.core.Tracer) for value in getattr(init, "__dict__", {}).values()):
        return None
    number = keys.count if draws else -1
    keys.count += draws
    return Deferred(init, tuple(int(n) for n in shape), dtype, number)


@jax.jit
def _chunk(key: Any) -> Any:
    return jax.lax.scan(lambda key, _: tuple(jax.random.split(key, 2)), key, None, length=_CHUNK)


def first_keys(key: Any, count: int) -> list[Any]:
    """The first keys of a sequence. They are integers: nothing is rounded, however they are computed.

    Args:
      key: that the sequence starts from.
      count: how many are needed; more may be made.
    """
    found: list[Any] = []
    while len(found) < count:
        key, drawn = _chunk(key)
        found.extend(np.asarray(drawn))
    return found
