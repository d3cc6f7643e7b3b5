"""Cores that are made of other cores."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import nn

XS = jax.random.normal(jax.random.key(0), (4, 2, 3))


def test_a_reset_starts_anew_where_it_is_asked_for():
    resets = jnp.array([[False, False], [False, True], [True, False], [False, False]])

    def with_resets(xs, resets):
        core = nn.ResetCore(nn.GRU(3, name="gru"))
        return nn.dynamic_unroll(core, (xs, resets), core.initial_state(2))[0]

    def plain(xs):
        core = nn.GRU(3, name="gru")
        return nn.dynamic_unroll(core, xs, core.initial_state(xs.shape[1]))[0]

    model = tn.transform(with_resets)
    params = model.init(jax.random.key(1), XS, resets)
    found = model.apply(params, None, XS, resets)
    alone = lambda xs: tn.transform(plain).apply(params, None, xs)  # noqa: E731
    np.testing.assert_allclose(found[:2, 0], alone(XS[:2, :1])[:, 0], atol=1e-6)
    np.testing.assert_allclose(found[2:, 0], alone(XS[2:, :1])[:, 0], atol=1e-6)
    np.testing.assert_allclose(found[1:, 1], alone(XS[1:, 1:])[:, 0], atol=1e-6)


def test_where_to_reset_begins_as_the_state_does():
    def step(x):
        core = nn.ResetCore(nn.GRU(3))
        return core((x, jnp.zeros((3,), bool)), core.initial_state(2))

    with pytest.raises(ValueError, match="where to reset"):
        tn.transform(step).plan(XS[0])


def test_layers_one_after_the_other():
    def deep(x):
        first, second = nn.GRU(4, name="a"), nn.GRU(3, name="b")
        core = nn.DeepRNN([first, jnp.tanh, second])
        state = core.initial_state(2)
        out, new = core(x, state)
        h, one = first(x, state[0])
        expected, two = second(jnp.tanh(h), state[1])
        return (out, new), (expected, (one, two))

    model = tn.transform(deep)
    found, expected = model.apply(model.init(jax.random.key(1), XS[0]), None, XS[0])
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_skips_need_cores():
    with pytest.raises(ValueError, match="all layers to be cores"):
        tn.transform(lambda: nn.deep_rnn_with_skip_connections([nn.GRU(3), jnp.tanh])).plan()
