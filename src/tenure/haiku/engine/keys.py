"""Random keys in the order of the calls that draw them, as Haiku hands them out."""

from __future__ import annotations

import collections
import functools
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.errors import MissingRNGError, Party
from tenure.core.sites import call_site
from tenure.haiku.config import get_config

PRNGSequenceState = tuple[jax.Array, Iterable[jax.Array]]


def assert_is_prng_key(key: Any) -> None:
    """Raises `ValueError` unless `key` is one random key, raw or typed."""
    if not hasattr(key, "shape") or not hasattr(key, "dtype"):
        raise ValueError(f"The provided key is not a JAX PRNGKey but a {type(key)}:\n{key}")
    impl, hint = jax.config.jax_default_prng_impl, ""  # type: ignore[attr-defined]
    expected: tuple[tuple[int, ...], Any] = (2,), jnp.dtype(jnp.uint32)
    if jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key):
        expected = (), key.dtype
    elif impl != "threefry2x32":
        expected = jax.eval_shape(lambda: jax.random.key_data(jax.random.key(0))).shape, jnp.dtype(jnp.uint32)
        hint = f"\nHint: jax_default_prng_impl has been set to '{impl}': was the key made before?"
    if (tuple(key.shape), key.dtype) != expected:
        raise ValueError(
            "Provided key did not have expected shape and/or dtype: "
            f"expected=(shape={expected[0]}, dtype={expected[1]}), actual=(shape={key.shape}, dtype={key.dtype}){hint}"
        )


class PRNGSequence(Iterator[jax.Array]):
    """Random keys, one after the other.

    >>> keys = PRNGSequence(42)
    >>> (next(keys) == next(keys)).all().item()
    False
    """

    __slots__ = ("_key", "_subkeys")

    def __init__(self, key_or_seed: jax.Array | int | PRNGSequenceState):
        """Starts from a key, an integer seed, or another sequence's `internal_state`.

        Raises:
          ValueError: it is none of these.
        """
        subkeys: Iterable[jax.Array] = ()
        if isinstance(key_or_seed, tuple):
            key_or_seed, subkeys = key_or_seed
            assert_is_prng_key(key_or_seed)
        elif isinstance(key_or_seed, int) or _is_seed(key_or_seed):
            key_or_seed = jax.random.PRNGKey(key_or_seed)
        else:
            assert_is_prng_key(key_or_seed)
        self._key: Any = key_or_seed
        self._subkeys = collections.deque(subkeys)
        for key in self._subkeys:
            assert_is_prng_key(key)

    def reserve(self, num: int) -> None:
        """Splits `num` keys off, for later."""
        if num > 0:
            self._key, *new = self._split(self._key, num + 1)
            self._subkeys.extend(new)

    @staticmethod
    def _split(key: Any, num: int) -> Any:
        return (jax.random.split if isinstance(key, jax.core.Tracer) else _compiled_split)(key, num)

    def reserve_up_to_full(self) -> None:
        """Has exactly `rng_reserve_size` keys in store."""
        size = get_config().rng_reserve_size
        self.reserve(size - len(self._subkeys))
        self._subkeys = collections.deque(itertools.islice(self._subkeys, size))

    @property
    def internal_state(self) -> PRNGSequenceState:
        """What another sequence can go on from."""
        return self._key, tuple(self._subkeys)

    def replace_internal_state(self, state: PRNGSequenceState) -> None:
        """Goes on from another sequence's state."""
        other = PRNGSequence(tuple(state))  # type: ignore[arg-type]
        self._key, self._subkeys = other._key, other._subkeys

    def continued(self, state: PRNGSequenceState) -> PRNGSequence:
        """A sequence for the body of a transformation: it goes on from a state of this one."""
        return PRNGSequence(state)

    def __next__(self) -> jax.Array:
        if not self._subkeys:
            self.reserve(get_config().rng_reserve_size)
        return self._subkeys.popleft()

    next = __next__

    def take(self, num: int) -> tuple[jax.Array, ...]:
        """The next `num` keys."""
        self.reserve(max(num - len(self._subkeys), 0))
        return tuple(next(self) for _ in range(num))


@functools.partial(jax.jit, static_argnums=1)
def _compiled_split(key: Any, num: int) -> Any:
    """The keys of one split, in one call: a key is an integer, so that nothing is rounded."""
    return tuple(jax.random.split(key, num))


class TrialSequence(PRNGSequence):
    """The keys of a run that is traced to find out what initial values depend on: one operation for each split."""

    __slots__ = ()

    @staticmethod
    def _split(key: Any, num: int) -> Any:
        return _compiled_split(key, num)


def _is_seed(value: Any) -> bool:
    return hasattr(value, "shape") and not value.shape and getattr(value, "dtype", None) == jnp.int32


def missing_key() -> MissingRNGError:
    """The error of a key that is asked for where none was given."""
    return MissingRNGError(
        "You must pass a non-None PRNGKey to init and/or apply if you make use of random numbers.",
        parties=[Party("asker", "next_rng_key", "", str(call_site()))],
        ways=["init(jax.random.PRNGKey(0), …), apply(params, jax.random.PRNGKey(0), …)"],
    )
