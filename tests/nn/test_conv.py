"""Convolutions, against sums written down."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure import nn
from tests.nn.small import apply, run

X = jax.random.normal(jax.random.key(0), (2, 7, 4))


def by_hand(x, w, b, stride=1, rate=1):
    """A valid convolution [B, T, C] with a kernel [K, C, N]."""
    reach = (len(w) - 1) * rate + 1
    starts = range(0, x.shape[1] - reach + 1, stride)
    return np.stack([sum(x[:, t + k * rate] @ w[k] for k in range(len(w))) + b for t in starts], axis=1)


@pytest.mark.parametrize(("stride", "rate"), [(1, 1), (2, 1), (1, 2)])
def test_values(stride, rate):
    params, _, out = run(lambda x: nn.Conv1D(5, 3, stride=stride, rate=rate, padding="VALID", b_init=jnp.ones)(x), X)
    found = params["conv1_d"]
    assert jax.tree.map(jnp.shape, found) == {"w": (3, 4, 5), "b": (5,)}
    np.testing.assert_allclose(
        out, by_hand(np.asarray(X), *map(np.asarray, (found["w"], found["b"])), stride, rate), atol=1e-5
    )


def test_groups_see_their_own_channels():
    params, _, out = run(lambda x: nn.Conv1D(6, 3, padding="VALID", feature_group_count=2)(x), X)
    w = np.asarray(params["conv1_d"]["w"])
    halves = [by_hand(np.asarray(X)[..., 2 * i : 2 * i + 2], w[..., 3 * i : 3 * i + 3], 0) for i in range(2)]
    np.testing.assert_allclose(out, np.concatenate(halves, -1), atol=1e-5)


def test_a_mask_takes_weights_away():
    mask = np.ones((3, 4, 5))
    mask[1:] = 0
    params, _, out = run(lambda x: nn.Conv1D(5, 3, padding="VALID", mask=mask)(x), X)
    np.testing.assert_allclose(out, np.asarray(X)[:, :5] @ np.asarray(params["conv1_d"]["w"])[0], atol=1e-5)
    with pytest.raises(ValueError, match="same shape as weights"):
        apply(lambda x: nn.Conv1D(5, 3, mask=mask[:2])(x), X)


def test_the_batch_may_be_missing_and_other_ranks_are_told():
    conv = lambda x: nn.Conv2D(3, 2)(x)  # noqa: E731
    x = jnp.ones((1, 4, 4, 2))
    np.testing.assert_array_equal(apply(conv, x[0]), apply(conv, x)[0])
    with pytest.raises(ValueError):
        apply(conv, jnp.ones((2, 3)))
