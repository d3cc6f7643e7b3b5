"""A front end with a profile answers in its own way."""

import jax
import jax.numpy as jnp
import pytest

import tenure.haiku as hk

KEY = jax.random.PRNGKey(0)
X = jnp.ones((2, 4))


def test_haiku_programs_say_themselves_whether_they_train():
    model = hk.transform_with_state(lambda x: hk.BatchNorm(False, False, 0.9)(x))
    with pytest.raises(TypeError, match="needs its argument"):
        model.init(KEY, X)
    with pytest.raises(TypeError):
        hk.dropout(None, 0.5, X)
