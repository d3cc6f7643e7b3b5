"""Masks for attention, alone and together."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure import nn
from tests.nn.attending import OPTIONS, T, X, attention, differs_at, run


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_causal_is_the_causal_mask(options: dict[str, Any]) -> None:
    def causal(x: jax.Array) -> jax.Array:
        return attention(**options)(x, x, x, causal=True)

    def masked(x: jax.Array) -> jax.Array:
        return attention(**options)(x, x, x, nn.causal_mask(T))

    np.testing.assert_allclose(run(causal, X), run(masked, X), atol=1e-5)


def test_masks_combine() -> None:
    """A causal call with padding in front: the real tokens see neither it nor the future."""
    mask = nn.padding_mask(jnp.arange(T)[None] >= 2)

    def model(x: jax.Array) -> jax.Array:
        return attention()(x, x, x, mask, causal=True)

    before = run(model, X)
    assert differs_at(before, run(model, X.at[:, :2].add(1)))[2:] == [False] * 4
    assert differs_at(before, run(model, X.at[:, 5].add(1)))[2:] == [False] * 3 + [True]
