"""Random keys by path: adding a layer, a borrower or a reordering changes no other layer's samples."""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.errors import MissingRNGError, Party, TenureError, brief
from tenure.core.sites import call_site


def hash32(text: str) -> int:
    """The same 32 bits for a string in every process.

    >>> hash32("embed/w") == hash32("embed/w") != hash32("head/w")
    True
    """
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


class Keys:
    """A root key and the loop steps and vmap lanes that the code is in."""

    def __init__(self, root: jax.Array, indices: tuple[Any, ...] = ()):
        self.root, self.indices = root, indices

    def at(self, index: Any) -> Keys:
        """The keys of one step or lane."""
        return Keys(self.root, (*self.indices, index))

    def draw(self, name: str) -> jax.Array:
        """The key of that name."""
        key = jax.random.fold_in(self.root, np.uint32(hash32(name)))
        for index in self.indices:
            key = jax.random.fold_in(key, index() if callable(index) else index)
        return key


class PlanKeys(Keys):
    """Stands in for keys while planning, where no sample is drawn."""

    def __init__(self):
        super().__init__(jax.random.PRNGKey(0))

    def at(self, index: Any) -> Keys:
        return self

    def draw(self, name: str) -> jax.Array:
        return self.root


class _Row(NamedTuple):
    """A typed key that is made when somebody draws: many initialisers never do."""

    data: np.ndarray
    impl: Any


class _Traced(NamedTuple):
    """One of several keys in a trace, taken out when somebody draws."""

    keys: Any
    place: int


def parts_of_key(key: Any) -> tuple[Any, Any]:
    """For a compiled function: an array of keys and a key's place in it, or a key and None; see `key_of_parts`."""
    return (key.keys, np.uint32(key.place)) if isinstance(key, _Traced) else (made_key(key), None)


def key_of_parts(keys: Any, place: Any) -> Any:
    """The key that `parts_of_key` took apart, inside of the compiled function."""
    return keys if place is None else jax.lax.dynamic_index_in_dim(keys, place, keepdims=False)


def made_key(key: Any) -> Any:
    """The key that `owner_keys` stands for."""
    if isinstance(key, _Traced):
        return jax.lax.index_in_dim(key.keys, key.place, keepdims=False)
    return jax.random.wrap_key_data(jnp.asarray(key.data), impl=key.impl) if isinstance(key, _Row) else key


class _InitKeys:
    """The keys of one owner's initialiser."""

    def __init__(self, key: jax.Array | None):
        self.key, self.count = key, 0

    def draw(self) -> jax.Array:
        if self.key is None:
            raise missing_key("init(jax.random.key(0), …)", Party("asker", "an initialiser", "", str(call_site())))
        self.count += 1
        self.key = made_key(self.key)
        return self.key if self.count == 1 else jax.random.fold_in(self.key, self.count - 1)


_initialising: contextvars.ContextVar[_InitKeys | None] = contextvars.ContextVar("tenure_init_keys", default=None)


@contextlib.contextmanager
def initialising(key: jax.Array | None) -> Iterator[None]:
    """Within, `next_rng_key` draws for one owner's initialiser."""
    token = _initialising.set(_InitKeys(key))
    try:
        yield
    finally:
        _initialising.reset(token)


def as_key(rng: Any) -> jax.Array | None:
    """A key from None, an int seed, a raw or a typed key.

    Raises:
      TenureError: it is none of these.
    """
    if rng is None or (isinstance(rng, jax.Array) and jax.dtypes.issubdtype(rng.dtype, jax.dtypes.prng_key)):
        return rng
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool):
        return jax.random.PRNGKey(int(rng))
    if hasattr(rng, "shape") and hasattr(rng, "dtype"):
        if rng.shape == () and jnp.issubdtype(rng.dtype, jnp.integer):
            return jax.random.PRNGKey(rng)
        if len(rng.shape) == 1 and rng.dtype == jnp.uint32:
            return jnp.asarray(rng)
    shown = f"an array {rng.shape} {rng.dtype}" if hasattr(rng, "shape") and hasattr(rng, "dtype") else brief(rng, 60)
    raise TenureError(
        f"rng must be None, an int seed or a jax.random key, not {shown}",
        parties=[Party("rng", shown, "", str(call_site()))],
        ways=[
            "the signatures are init(rng, ...), apply(params, rng, ...) and, with state, apply(params, state, rng, ...)"
        ],
    )


def owner_keys(root: jax.Array, paths: list[str]) -> list[Any]:
    """One key per owner, from its path alone: `fold_in(root, hash(path))`, all in one call."""
    hashes = np.array([hash32(path) for path in paths], np.uint32)
    drawn = _fold_all(root, hashes)
    if isinstance(drawn, jax.core.Tracer):
        return [_Traced(drawn, place) for place in range(len(paths))]
    if jax.dtypes.issubdtype(drawn.dtype, jax.dtypes.prng_key):
        impl = jax.random.key_impl(drawn)
        return [_Row(data, impl) for data in np.asarray(jax.random.key_data(drawn))]
    return list(np.asarray(drawn))


_fold_all = jax.jit(jax.vmap(jax.random.fold_in, (None, 0)))


def missing_key(call: str, party: Party) -> MissingRNGError:
    """The error of a key that is needed in a call that was given none."""
    return MissingRNGError(
        f"a random key is needed, and none was given to {call.partition('(')[0]}",
        parties=[party],
        ways=[f"give one:  model.{call}", "turn off what draws keys, such as dropout, where there is none"],
    )


#: `drawing()`: the keys of the initialiser that runs, if one does.
drawing = _initialising.get
