"""What happens to gradients before an optimizer sees them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.training.optimizing.clipping import Clipping


def test_gradients_that_are_no_numbers_can_count_as_zero():
    grads = {"a": np.float32([1, np.nan, np.inf])}
    assert Clipping(gradient_nan_inf_filter=True)(grads)["a"].tolist() == [1, 0, 0]


def test_a_norm_that_is_too_large_can_count_as_zero():
    grads = {"a": np.float32([3]), "b": np.float32([4])}
    assert Clipping(grad_norm_to_clip_to_zero=4.9)(grads)["a"].tolist() == [0]
    assert Clipping(grad_norm_to_clip_to_zero=5.1)(grads)["a"].tolist() == [3]


def test_noise_gets_less_with_the_steps():
    grads, key = {"a": np.zeros(10_000, "float32")}, jax.random.key(0)
    first, later = (Clipping(gradient_noise=1.0)(grads, key, step)["a"].std() for step in (0, 99))
    np.testing.assert_allclose([first, later], [1, 100**-0.275], rtol=0.05)


def test_the_norm_of_all_gradients_is_that_before_each_is_clipped():
    grads = {"a": jnp.array([3.0, 0.0]), "b": jnp.array([4.0])}
    found = Clipping(gradient_clip=2.0, gradient_clip_global_norm=1.0)(grads)
    assert found["a"].tolist() == pytest.approx([2 / 5, 0.0]) and found["b"].tolist() == pytest.approx([2 / 5])
