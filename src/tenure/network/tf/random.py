"""Random numbers by TensorFlow's names. Keys come from the transformed function; inside of a loop, from the loop and its step."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run.frame import maybe_frame
from tenure.core.run.rng import maybe_next_rng_key, next_rng_key
from tenure.functional import dropped
from tenure.network import bounds
from tenure.network.tf.static import dtype_of, shape_of


class LoopKeys:
    """The keys of one loop: those of a step depend on the loop's own key, the step, and how many were drawn in it before."""

    def __init__(self) -> None:
        self._base: Any = None
        self._step: Any = None
        self._drawn = 0

    @contextlib.contextmanager
    def step(self, index: Any) -> Iterator[None]:
        """Within, keys are those of this step."""
        before = self._step, self._drawn
        self._step, self._drawn = index, 0
        try:
            yield
        finally:
            self._step, self._drawn = before

    def draw(self) -> jax.Array:
        """A key of this step."""
        if self._base is None:
            return next_rng_key()  # which says that there is none
        self._drawn += 1
        key = self._base if self._step is None else jax.random.fold_in(self._base, self._step)
        return jax.random.fold_in(key, self._drawn)


_loop: contextvars.ContextVar[LoopKeys | None] = contextvars.ContextVar("tenure_tf_loop_keys", default=None)


@contextlib.contextmanager
def own_keys() -> Iterator[LoopKeys]:
    """Within, random numbers are drawn from keys of a loop's own."""
    keys, around = LoopKeys(), _loop.get()
    if around is not None:
        keys._base = None if around._base is None else around.draw()
    elif (frame := maybe_frame()) is not None and frame.skipping() is None:
        keys._base = maybe_next_rng_key()
    token = _loop.set(keys)
    try:
        yield keys
    finally:
        _loop.reset(token)


def key() -> jax.Array:
    """The next key."""
    keys = _loop.get()
    return next_rng_key() if keys is None else keys.draw()


def uniform(
    shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = "float32", seed: Any = None, name: Any = None
) -> jax.Array:
    """Numbers from `minval` to before `maxval`."""
    to, sizes = dtype_of(dtype), shape_of(shape)
    bounds.elements(sizes)
    if jnp.issubdtype(to, jnp.integer):
        return jax.random.randint(key(), sizes, minval, maxval, to)
    return jax.random.uniform(key(), sizes, to, minval, 1 if maxval is None else maxval)


def normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = "float32", seed: Any = None, name: Any = None
) -> jax.Array:
    """Normal numbers."""
    bounds.elements(shape_of(shape))
    return mean + stddev * jax.random.normal(key(), shape_of(shape), dtype_of(dtype))


def truncated_normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = "float32", seed: Any = None, name: Any = None
) -> jax.Array:
    """Normal numbers, not further than two deviations from the mean."""
    bounds.elements(shape_of(shape))
    return mean + stddev * jax.random.truncated_normal(key(), -2, 2, shape_of(shape), dtype_of(dtype))


def shuffle(value: Any, seed: Any = None, name: Any = None) -> jax.Array:
    """The entries of the first axis in another order."""
    return jax.random.permutation(key(), jnp.asarray(value))


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None, name: Any = None) -> jax.Array:
    """Classes [batch, samples] drawn with these logits [batch, classes]."""
    logits = jnp.asarray(logits)
    drawn = jax.random.categorical(key(), logits[:, None], shape=(logits.shape[0], int(num_samples)))
    return drawn.astype(dtype_of(dtype))


def dropout(
    x: Any,
    keep_prob: float | None = None,
    noise_shape: Any = None,
    seed: Any = None,
    name: Any = None,
    rate: float | None = None,
) -> Any:
    """`x` with entries set to zero, and the others scaled up."""
    x = jnp.asarray(x)
    keep = keep_prob if rate is None else 1 - rate
    if keep is None or (not isinstance(keep, jax.Array) and keep >= 1):
        return x
    shape = x.shape if noise_shape is None else shape_of(noise_shape)
    return dropped(key(), 1.0 - keep, x, shape).astype(x.dtype)
