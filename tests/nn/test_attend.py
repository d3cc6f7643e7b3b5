"""The inner part of attention: groups of heads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure import nn
from tests.nn.attending import B, T


@pytest.mark.parametrize("fused", [True, False])
def test_grouped_heads_are_repeated_ones(fused: bool) -> None:
    q, k, v = (jax.random.normal(jax.random.key(i), (B, T, heads, 5)) for i, heads in enumerate((6, 2, 2)))
    repeated = {"key": jnp.repeat(k, 3, axis=2), "value": jnp.repeat(v, 3, axis=2)}
    out = nn.attend(q, {"key": k, "value": v}, nn.causal_mask(T), fused=fused)
    np.testing.assert_allclose(out, nn.attend(q, repeated, nn.causal_mask(T), fused=False), atol=1e-5)
