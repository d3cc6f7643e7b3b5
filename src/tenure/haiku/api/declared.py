"""Parameters of a module for every module that is built inside of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run import declare as core_declare


def declare_global_parameter(
    name: str, shape: Sequence[int], dtype: Any = jnp.float32, init: Callable[[Sequence[int], Any], Any] | None = None
) -> jax.Array:
    """The current module owns a parameter that every module built inside of it may use.

    It is global for the modules inside, and unknown outside of the declaring module.

    Args:
      name: what the modules inside ask for.
      shape, dtype, init: as for `get_parameter`.

    Returns:
      The parameter.

    Raises:
      DeclaredTwiceError: the module has declared it before.

    >>> import tenure.haiku as hk
    >>> class Unembed(hk.Module):
    ...     def __call__(self, x):
    ...         return x @ hk.get_global_parameter("table", "transpose")
    >>> class Model(hk.Module):
    ...     def __call__(self, tokens):
    ...         table = hk.declare_global_parameter("table", [11, 4], init=hk.initializers.RandomNormal())
    ...         return Unembed()(table[tokens])
    >>> f = hk.transform(lambda tokens: Model()(tokens))
    >>> {name: list(bundle) for name, bundle in f.init(jax.random.PRNGKey(0), jnp.array([1, 2])).items()}
    {'model': ['table']}
    """
    return core_declare.declare(name, shape, dtype, init)


def get_global_parameter(name: str, view: Any = None) -> jax.Array:
    """The parameter that a module around the current one has declared under that name.

    Args:
      name: as declared; the nearest declaration counts.
      view: what to do with it first, such as "transpose" or "slice(0, 3)".

    Raises:
      UndeclaredError: no module around has declared it.
    """
    return core_declare.borrow(name, view)
