"""Calling initialisers: Tenure's and Haiku's take a shape and a dtype, JAX's a key as well."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.errors import Party, TenureError, brief
from tenure.core.keys import drawing, initialising, key_of_parts, parts_of_key
from tenure.core.run.rng import next_rng_key
from tenure.core.traces import outermost

#: What the first argument of an initialiser that takes a key is called.
KEYS = ("key", "rng", "prng_key", "rng_key")


def initial_value(init: Callable[..., Any], shape: Sequence[int], dtype: Any, party: Callable[[], Party]) -> Any:
    """What an initialiser returns: `init(shape, dtype)`, or `init(key, shape, dtype)` for one of `jax.nn.initializers`.

    Args:
      init: the initialiser. One whose first two arguments are named as JAX names them, `key` and `shape`, gets a key.
      shape: of the parameter.
      dtype: of the parameter.
      party: says who asks, for the error.

    Raises:
      TenureError: it cannot be called with these arguments.

    >>> import jax, tenure as tn
    >>> model = tn.transform(lambda: tn.get_parameter("w", (2, 3), init=jax.nn.initializers.glorot_uniform()))
    >>> model.init(jax.random.key(0))["~"]["w"].shape
    (2, 3)
    """
    if init is jnp.zeros or init is jnp.ones:  # one operation instead of several
        return (_filled if outermost() else jax.lax.broadcast)(np.asarray(init is jnp.ones, dtype), tuple(shape))
    keys = drawing()
    if keys is not None and keys.key is not None and not keys.count:
        alike = alike_of(init, shape, dtype)
        if alike is not None:
            key, place = parts_of_key(keys.key)
            return _drawn_of(key, place, alike)
    try:
        return init(next_rng_key(), shape, dtype) if takes_key(init) else init(shape, dtype)
    except TypeError as e:
        if e.__traceback__ is None or e.__traceback__.tb_next is not None:  # raised further in: the initialiser's own
            raise
        asked = party()
        raise TenureError(
            f"the initialiser of '{asked.path}' cannot be called as init(shape, dtype): {brief(str(e), 200)}",
            parties=[asked],
            ways=["init=lambda shape, dtype: jnp.zeros(shape, dtype)", "an initialiser of jax.nn.initializers"],
        ) from None


_filled = jax.jit(jax.lax.broadcast, static_argnums=1)
_CONSTANT = ("Constant", "Identity")  # of Tenure's initialisers, those that draw nothing


@dataclasses.dataclass(frozen=True)
class Alike:
    """An initialiser of Tenure's with a shape and a dtype: equal to those that draw the same, so that JAX traces it once."""

    kind: type
    options: tuple[Any, ...]
    shape: tuple[int, ...]
    dtype: Any
    init: Any = dataclasses.field(compare=False)


def alike_of(init: Any, shape: Sequence[int], dtype: Any) -> Alike | None:
    """Within a trace, what an initialiser of Tenure's is to draw; None for any other, and outside of a trace."""
    kind = type(init)
    if not kind.__module__.startswith("tenure.initializers") or kind.__name__ in _CONSTANT or outermost():
        return None
    if not all(isinstance(v, (int, float, str, type(None))) for v in vars(init).values()):
        return None
    return Alike(kind, tuple(sorted(vars(init).items())), tuple(shape), dtype, init)


def _draw(key: Any, alike: Alike) -> Any:
    with initialising(key):
        return alike.init(alike.shape, alike.dtype)


#: What the initialiser draws with a key, with the operations written down where it is called.
drawn = jax.jit(_draw, static_argnums=1, inline=True)


@functools.partial(jax.jit, static_argnums=2)
def _drawn_of(key: Any, place: Any, alike: Alike) -> Any:
    """What the initialiser draws with one of several keys: a single operation for each owner that is like another."""
    return _draw(key_of_parts(key, place), alike)


def takes_key(init: Any) -> bool:
    """Whether an initialiser is called as `init(key, shape, dtype)`.

    >>> import jax
    >>> import jax.numpy as jnp
    >>> takes_key(jax.nn.initializers.zeros), takes_key(jax.nn.initializers.normal()), takes_key(jnp.zeros)
    (True, True, False)
    """
    while isinstance(init, functools.partial):
        if init.args:
            return False
        init = init.func
    code = getattr(getattr(init, "__func__", init), "__code__", None) or getattr(type(init).__call__, "__code__", None)
    names: tuple[str, ...] = () if code is None else code.co_varnames[: code.co_argcount]
    names = names[1:] if names[:1] == ("self",) else names
    return len(names) > 1 and names[0] in KEYS and names[1] == "shape"
