"""Mapped axes that nobody maps: planning is that of a single lane, applying is an error."""

import jax
import jax.numpy as jnp
import pytest

import tenure as tn
from tenure import nn

KEY = jax.random.key(0)
X = jax.random.normal(KEY, (2, 4))


def norm(x):
    return nn.BatchNorm(True, True, 0.9)(x, is_training=True)


def across(x):
    return nn.BatchNorm(True, True, 0.9, cross_replica_axis="devices")(x, is_training=True)


def test_init_of_a_norm_outside_of_the_map_that_its_axis_belongs_to():
    model, lanes = tn.transform_with_state(across), jnp.stack([X, X + 1])
    params, state = model.init(KEY, X)
    one = tn.transform_with_state(norm).init(KEY, X)
    assert jax.tree.all(jax.tree.map(jnp.allclose, (params, state), one))
    assert jax.tree.structure(jax.jit(model.init)(KEY, X)) == jax.tree.structure(one)
    mapped = jax.vmap(model.apply, (None, None, None, 0), axis_name="devices")
    out, new = mapped(params, state, None, lanes)
    whole, _ = tn.transform_with_state(norm).apply(*one, None, lanes.reshape(4, 4))
    assert jnp.allclose(out.reshape(4, 4), whole, atol=1e-5)
    assert (new["batch_norm/~/mean_ema"]["average"][0] == new["batch_norm/~/mean_ema"]["average"][1]).all()


def test_apply_outside_of_the_map_names_the_axis_and_the_module():
    model = tn.transform_with_state(across)
    params, state = model.init(KEY, X)
    with pytest.raises(tn.TenureError, match="the axis 'devices' is not mapped") as error:
        model.apply(params, state, None, X)
    assert "axis_name='devices'" in str(error.value) and "test_axes.py" in str(error.value)
