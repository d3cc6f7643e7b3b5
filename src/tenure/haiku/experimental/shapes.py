"""Output shapes, without the work that they do not depend on; and keys, split off all at once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run import hooks
from tenure.haiku.api import jaxing
from tenure.haiku.engine.frames import inside_transform, the_frame
from tenure.haiku.engine.keys import PRNGSequence
from tenure.nn.dropout import off


def _zeros(next_creator: Any, shape: Any, dtype: Any, init: Any, context: Any) -> Any:
    return next_creator(shape, dtype, jnp.zeros)


def fast_eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """As `jax.eval_shape`, for functions that use modules or are transformed: less is traced.

    Parameters start at zero and dropout does nothing, which changes no shape.

    >>> import tenure.haiku as hk
    >>> f = hk.transform(lambda x: hk.Linear(2)(x))
    >>> hk.experimental.fast_eval_shape(f.init, jax.random.PRNGKey(0), jnp.ones((1, 3)))["linear"]["b"].shape
    (2,)
    """
    with hooks.custom_creator(_zeros), off():
        evaluate = jaxing.eval_shape if inside_transform() else jax.eval_shape
        return evaluate(fun, *args, **kwargs)


def optimize_rng_use(fun: Callable[..., Any]) -> Callable[..., Any]:
    """`fun`, with all keys that it will draw split off at once, which is faster than one by one.

    The keys are others than without it.

    >>> import tenure.haiku as hk
    >>> f = hk.transform(hk.experimental.optimize_rng_use(lambda: [hk.next_rng_key() for _ in range(3)]))
    >>> len(f.apply({}, jax.random.PRNGKey(0)))
    3
    """

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        frame = the_frame("optimize_rng_use")
        if frame.rng is not None:
            counted = CountingSequence(frame.rng.internal_state)
            frame.rngs.append(counted)
            names = [(s, dict(s.counters), dict(s.used)) for s in frame.scopes]
            try:
                jaxing.eval_shape(fun, *args, **kwargs)
            finally:
                frame.rngs.pop()
                for scope, counters, used in names:
                    scope.counters, scope.used = counters, used
            frame.rng.reserve(counted.count)
        return fun(*args, **kwargs)

    return wrapped


class CountingSequence(PRNGSequence):
    """Keys that are counted as they are drawn, here and in the bodies of transformations."""

    __slots__ = ("_counter",)

    def __init__(self, state: Any, counter: list[int] | None = None):
        super().__init__(state)
        self._counter = [0] if counter is None else counter

    @property
    def count(self) -> int:
        return self._counter[0]

    def continued(self, state: Any) -> CountingSequence:
        return CountingSequence(state, self._counter)

    def __next__(self) -> jax.Array:
        self._counter[0] += 1
        return super().__next__()
