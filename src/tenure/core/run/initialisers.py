"""Calling initialisers: Tenure's and Haiku's take a shape and a dtype, JAX's a key as well."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from tenure.core.errors import Party, TenureError, brief
from tenure.core.run.rng import next_rng_key

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
    code = getattr(getattr(init, "__func__", init), "__code__", None)
    if code is None:
        code = getattr(type(init).__call__, "__code__", None)
    if code is None:
        return False
    names = code.co_varnames[: code.co_argcount]
    names = names[1:] if names[:1] == ("self",) else names
    return len(names) > 1 and names[0] in KEYS and names[1] == "shape"
