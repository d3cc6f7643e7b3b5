"""Running code that uses modules, in tests."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax

from tenure.haiku.api.transforms import transform_with_state

T = TypeVar("T")


def transform_and_run(
    f: Callable[..., T] | None = None,
    seed: int | None = 42,
    run_apply: bool = True,
    jax_transform: Callable[[Callable[..., T]], Callable[..., T]] | None = None,
    *,
    map_rng: Callable[[Any], Any] | None = None,
) -> Any:
    """Decorator of a function that uses modules: it is initialised, and applied, when it is called.

    Args:
      f: the function, such as a test.
      seed: of the keys; None for no keys.
      run_apply: whether to go on to apply, whose result is returned.
      jax_transform: for init and apply, such as `jax.jit`.
      map_rng: changes the two keys.

    >>> import tenure.haiku as hk
    >>> @hk.testing.transform_and_run
    ... def test():
    ...     return hk.Linear(2)(jax.numpy.ones((1, 3))).shape
    >>> test()
    (1, 2)
    """
    if f is None:
        return functools.partial(
            transform_and_run, seed=seed, run_apply=run_apply, jax_transform=jax_transform, map_rng=map_rng
        )

    @functools.wraps(f)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        keys = [None, None] if seed is None else [jax.random.PRNGKey(seed), jax.random.PRNGKey(seed + 1)]
        if map_rng is not None and seed is not None:
            keys = [map_rng(key) for key in keys]
        init, apply = transform_with_state(lambda: f(*args, **kwargs))
        if jax_transform is not None:
            init, apply = jax_transform(init), jax_transform(apply)
        params, state = init(keys[0])
        return apply(params, state, keys[1])[0] if run_apply else None

    return wrapper


__all__ = ["transform_and_run"]
