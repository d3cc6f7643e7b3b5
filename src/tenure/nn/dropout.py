"""Random functions. Whether dropout runs is the caller's decision."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run.frame import is_training
from tenure.core.run.rng import next_rng_key
from tenure.functional import dropped


def dropout(rng: Any = None, rate: Any = None, x: Any = None, broadcast_dims: Sequence[int] = ()) -> jax.Array:
    """Sets each element to zero with probability `rate`, and divides the others by `1 - rate`.

    With a key, always. Without, as `dropout(rate, x)`, as the mode of the run says: in training (`tn.training`) with the
    run's next key, in evaluation (`tn.evaluation`) not at all.

    Source: Hinton et al. 2012, https://arxiv.org/abs/1207.0580.

    Args:
      rng: a random key, say `tn.next_rng_key()`. None, or left out: as the mode of the run says.
      rate: in [0, 1). Its dtype is that of the samples: `np.float16(0.1)` draws cheaper ones.
      x: any array.
      broadcast_dims: axes along which all elements share their fate.

    Returns:
      An array of x's shape.

    Raises:
      OutsideTransformError: there is no key, and no run.
      MissingRNGError: there is no key, and the run was given none.
      ValueError: the rate is outside of [0, 1) (if it is known), or x lacks an axis of `broadcast_dims`.

    >>> dropout(jax.random.key(0), 0.5, jnp.ones(8))
    Array([0., 0., 2., 2., 0., 2., 2., 0.], dtype=float32)

    >>> import tenure as tn
    >>> model = tn.transform(lambda x: dropout(0.5, x))
    >>> tn.evaluation(model).apply({}, None, jnp.ones(4)), model.apply({}, jax.random.key(0), jnp.ones(4))
    (Array([1., 1., 1., 1.], dtype=float32), Array([2., 0., 2., 2.], dtype=float32))
    """
    if x is None:  # dropout(rate, x)
        rng, rate, x = None, rng, rate
    elif rate is None:  # dropout(rate, x=x)
        rng, rate = None, rng
    if _off.get() or (rng is None and not is_training(None, "nn.dropout")):
        return x
    try:
        if not 0 <= rate < 1:
            raise ValueError(f"the dropout rate is a probability less than 1, not {rate}")
        if rate == 0:
            return x
    except jax.errors.ConcretizationTypeError:  # known only when the compiled function runs
        pass
    rng = next_rng_key() if rng is None else rng
    shape = list(x.shape)
    for dim in broadcast_dims:
        if not -x.ndim <= dim < x.ndim:
            raise ValueError(f"broadcast_dims has {dim}, which is not an axis of shape {x.shape}")
        shape[dim] = 1
    return dropped(rng, rate, x, shape)


def multinomial(rng: jax.Array, logits: jax.Array, num_samples: int) -> jax.Array:
    """Draws categories.

    Args:
      rng: a random key.
      logits: [..., categories], log probabilities up to a constant.
      num_samples: how many to draw.

    Returns:
      [..., num_samples] categories.

    >>> multinomial(jax.random.key(0), jnp.array([0.0, -jnp.inf]), 3)
    Array([0, 0, 0], dtype=int32)
    """
    if num_samples == 1:
        return jax.random.categorical(rng, logits)[..., None]
    return jnp.moveaxis(jax.random.categorical(rng, logits, shape=(num_samples, *logits.shape[:-1])), 0, -1)


_off: contextvars.ContextVar[bool] = contextvars.ContextVar("tenure_dropout_off", default=False)


@contextlib.contextmanager
def off() -> Iterator[None]:
    """Within, `dropout` returns its input: where only shapes are of interest."""
    token = _off.set(True)
    try:
        yield
    finally:
        _off.reset(token)
