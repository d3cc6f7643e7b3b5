"""The multi-layer perceptron and its dropout."""

import jax
import jax.numpy as jnp
import numpy as np

import tenure as tn
from tenure import nn


def test_mlp_dropout_needs_both() -> None:
    model = tn.transform(lambda x, key: nn.MLP([50, 50])(x, 0.5, key))
    x = jnp.ones((1, 4))
    params = model.init(jax.random.key(0), x, jax.random.key(1))
    one, two = (model.apply(params, None, x, jax.random.key(i)) for i in (1, 2))
    assert not np.allclose(one, two)
