"""Terms of the objective that are about outputs, not targets."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from tenure.network.losses.base import LossError
from tenure.network.output import Output
from tenure.network.sizes import current
from tenure.network.tensor import Tensor


def _frames(x: Tensor) -> tuple[jax.Array, jax.Array]:
    """[B, T, …] and which frames count [B, T]."""
    if x.batch_axis is None or x.time_axis is None:
        raise LossError(f"a batch of sequences is needed, not {x!r}")
    x = x.feature_last()
    x = x.move_axis(x.time_axis, 0).batch_first()  # type: ignore[arg-type]
    lengths = current().lengths(x.dims[1])
    positions = jnp.arange(x.shape[1])
    keep = positions < (x.shape[1] if lengths is None else lengths.data[..., None])
    return x.data, jnp.broadcast_to(keep, x.shape[:2])


def darc1(out: Output) -> jax.Array:
    """The largest of the features' absolute sums over all frames, before the activation if there is one.

    Source: Kawaguchi et al. 2017, https://arxiv.org/abs/1710.05468, simplified.
    """
    data, keep = _frames(out.tensor if out.logits is None else out.logits)
    sums = jnp.sum(jnp.where(keep[..., None], jnp.abs(data), 0), axis=(0, 1))
    return jnp.max(sums)


_FILTER = ((-0.125,) * 3, (-0.125, 1.0, -0.125), (-0.125,) * 3)


def smoothing_energy(out: Output) -> jax.Array:
    """How rough the features are as a picture, nearly square, that goes on at its other side.

    Source: Xiong et al. 2016, https://arxiv.org/abs/1610.05256.
    """
    data, keep = _frames(out.tensor)
    size = data.shape[-1]
    width = next(w for w in range(math.isqrt(size), 0, -1) if size % w == 0)
    if width < 3 or size // width < 3:
        raise LossError(f"{size} features are too few for a picture of at least 3 x 3")
    picture = data.reshape(*data.shape[:-1], size // width, width)
    filtered = sum(
        _FILTER[i + 1][j + 1] * jnp.roll(picture, (-i, -j), axis=(-2, -1)) for i in (-1, 0, 1) for j in (-1, 0, 1)
    )
    energy = jnp.sum(jnp.square(filtered), axis=(-2, -1))
    return jnp.sum(jnp.where(keep, energy, 0))
