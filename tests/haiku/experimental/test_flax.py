"""The bridge to Flax: the same variables and the same bits as dm-haiku's."""

import haiku
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import tenure.haiku

KEY, X = jax.random.PRNGKey(3), jnp.linspace(-1, 1, 8).reshape(2, 4)


class Dense(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.BatchNorm(use_running_average=False)(nn.Dense(5)(x))
        return nn.Dense(3, name="last")(x)


def as_flax(hk):
    """A Haiku program as a Flax module."""

    def program(x):
        x = hk.nets.MLP([5, 4], name="mlp")(x)
        return hk.BatchNorm(True, True, 0.9)(x, is_training=True)

    module = hk.experimental.flax.Module(hk.transform_with_state(program))
    variables = module.init(KEY, X)
    out, changed = module.apply(variables, X, mutable=["state"], rngs={})
    return jax.tree.map(jnp.asarray, (dict(variables), out, dict(changed)))


def as_haiku(hk):
    """A Flax module in a Haiku program."""

    def program(x):
        lifted = hk.experimental.flax.lift(Dense(), name="flax")
        return hk.Linear(2)(lifted(x))

    model = hk.transform_with_state(program)
    params, state = model.init(KEY, X)
    return params, state, model.apply(params, state, KEY, X)


@pytest.mark.parametrize("program", [as_flax, as_haiku])
def test_same_as_haiku(program):
    ours, theirs = program(tenure.haiku), program(haiku)
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_ledger_of_a_flax_module_in_a_haiku_program():
    hk = tenure.haiku
    model = hk.transform_with_state(lambda x: hk.experimental.flax.lift(Dense(), name="flax")(x))
    params, _ = model.init(KEY, X)
    assert model.plan(X).ledger.count() == sum(leaf.size for leaf in jax.tree.leaves(params))
