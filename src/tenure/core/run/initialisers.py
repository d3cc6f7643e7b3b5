"""Calling an initialiser, whichever of the two forms it has: `init(shape, dtype)`, or JAX's `init(key, shape, dtype)`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from tenure.core.errors import Party, TenureError, brief
from tenure.core.keys import drawing
from tenure.core.run.rng import next_rng_key


def takes_key(init: Callable[..., Any]) -> bool:
    """Whether an initialiser is of the form of `jax.nn.initializers`: its first argument is a key.

    >>> import jax
    >>> takes_key(jax.nn.initializers.glorot_normal()), takes_key(jax.numpy.zeros)
    (True, False)
    """
    if isinstance(init, FunctionType) and not hasattr(init, "__wrapped__"):
        code = init.__code__
        return code.co_argcount > 2 and code.co_varnames[0] == "key"
    if type(init).__module__.startswith("tenure."):
        return False
    try:
        names = list(inspect.signature(init).parameters)
    except (TypeError, ValueError):
        return False
    return len(names) > 2 and names[0] == "key"


def call(init: Callable[..., Any], shape: Sequence[int], dtype: Any, party: Callable[[], Party]) -> Any:
    """What an initialiser makes.

    Args:
      init: `init(shape, dtype)` or `init(key, shape, dtype)`.
      shape, dtype: of what it is to make.
      party: says who asks, for the error.

    Raises:
      TenureError: it cannot be called with these arguments.
    """
    try:
        if takes_key(init):
            initialiser = drawing()
            return init(next_rng_key() if initialiser is None else initialiser.draw(), shape, dtype)
        return init(shape, dtype)
    except TypeError as e:
        inside = e.__traceback__ is not None and e.__traceback__.tb_next is not None
        if inside:
            raise
        asked = party()
        raise TenureError(
            f"the initialiser of '{asked.path}' cannot be called as init(shape, dtype): {brief(str(e), 200)}",
            parties=[asked],
            ways=["init=lambda shape, dtype: jnp.zeros(shape, dtype)", "an initialiser of jax.nn.initializers"],
        ) from None


__all__ = ["call", "takes_key"]
