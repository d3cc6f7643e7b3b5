"""Group norm: layer norm over groups of channels."""

import jax
import numpy as np
import pytest

from tenure import nn
from tests.nn.small import apply, run

X = 3 * jax.random.normal(jax.random.key(0), (2, 4, 4, 6)) + 7


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_each_group_has_mean_zero_and_variance_one(groups):
    params, _, out = run(lambda x: nn.GroupNorm(groups)(x), X)
    grouped = np.asarray(out).reshape(2, 16, groups, 6 // groups)
    np.testing.assert_allclose(grouped.mean((1, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(grouped.std((1, 3)), 1, atol=1e-4)
    assert params["group_norm"]["scale"].shape == (6,)


def test_channels_first_is_the_same():
    first = apply(lambda x: nn.GroupNorm(3, data_format="channels_first")(x), X.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(first.transpose(0, 2, 3, 1), apply(lambda x: nn.GroupNorm(3)(x), X), atol=1e-5)


def test_groups_divide_the_channels_and_the_rank_stays():
    with pytest.raises(ValueError, match="6 channels, 4 groups"):
        apply(lambda x: nn.GroupNorm(4)(x), X)

    def twice(x):
        norm = nn.GroupNorm(2)
        return norm(norm(x)[:, 0])

    with pytest.raises(ValueError, match="rank"):
        apply(twice, X)
