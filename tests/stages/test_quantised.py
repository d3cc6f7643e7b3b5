"""Quantised weights: their gradient, and their bytes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import stages as st
from tests.stages.cases import KEY, TALL, model_of, value


def test_straight_through_gradient_is_that_of_the_identity():
    model = model_of(TALL, [st.Quantise(4)])
    grads = jax.grad(lambda p: jnp.sum(jnp.sin(model.apply(p, None))))(model.init(0))
    np.testing.assert_allclose(grads["~"]["w"], jnp.cos(model.apply(model.init(0), None)), atol=1e-6)


@pytest.mark.parametrize("bits, bytes_", [(8, 64 * 64 + 64 * 4), (4, 32 * 64 + 64 * 4)])
def test_packed_weights_take_the_space_of_their_bits(bits, bytes_):
    weight = jax.random.normal(KEY, (64, 64))
    trained = model_of(weight, [st.Quantise(bits)])
    plan, params = trained.plan(), trained.init(0)
    packed = tn.pack(plan, params)
    model = tn.transform(lambda: tn.get_parameter("w", (64, 64), init=lambda s, d: weight), stages=packed.stages)
    np.testing.assert_array_equal(model.apply(packed.params, None), trained.apply(params, None))
    assert model.plan().ledger.bytes() == bytes_ == sum(a.nbytes for a in jax.tree.leaves(packed.params))
    assert not any(jax.tree.leaves(model.plan().ledger.trainable()))


def test_odd_numbers_of_rows_pack_too():
    weight = jax.random.normal(KEY, (5, 3))
    assert value([st.Quantise(4, packed=True)], weight).shape == (5, 3)
    np.testing.assert_array_equal(value([st.Quantise(4, packed=True)], weight), value([st.Quantise(4)], weight))
