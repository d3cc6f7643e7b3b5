"""Losses that were computed for one hypothesis of many, as one loss of all."""

import jax.numpy as jnp
import pytest

from tenure.network.losses.base import LossValue
from tenure.network.losses.lanes import packed, summed


def test_sums_of_losses_are_of_all_frames():
    one = LossValue(loss=jnp.float32(6), error=None, norm_factor=jnp.float32(1 / 3))
    two = LossValue(loss=jnp.float32(2), error=None, norm_factor=jnp.float32(1))
    lanes = jnp.stack([packed(x).tensor.data for x in (one, two)])
    both = summed(one, lanes)
    assert both.loss == 8 and both.error is None and both.norm_factor == pytest.approx(1 / 4)
