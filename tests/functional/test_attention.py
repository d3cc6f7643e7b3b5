"""Dot-product attention, against loops over queries and keys."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.functional import attention

Q, K, V = (jax.random.normal(jax.random.key(i), (2, 4, 6, 3)) for i in range(3))


def by_hand(q, k, v, keep, scale):
    """One head: [T', K], [T, K], [T, V]."""
    out = np.zeros((len(q), v.shape[-1]))
    for t in range(len(q)):
        weights = np.exp([q[t] @ k[s] * scale if keep[t, s] else -np.inf for s in range(len(k))])
        out[t] = (weights / weights.sum()) @ v
    return out


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("scale", [None, 0.5])
def test_values(causal, scale):
    found = attention.attend(Q, K, V, causal=causal, scale=scale)
    keep = np.tril(np.ones((4, 4), bool)) if causal else np.ones((4, 4), bool)
    for b in range(2):
        for head in range(6):
            one = (np.asarray(x, np.float64)[b, :, head] for x in (Q, K, V))
            np.testing.assert_allclose(found[b, :, head], by_hand(*one, keep, scale or 3**-0.5), atol=1e-5)


def test_a_key_serves_several_queries_in_a_row():
    found = attention.attend(Q, K[:, :, :2], V[:, :, :2])
    repeated = attention.attend(Q, jnp.repeat(K[:, :, :2], 3, 2), jnp.repeat(V[:, :, :2], 3, 2))
    np.testing.assert_allclose(found, repeated, atol=1e-6)


def test_a_query_that_sees_nothing_gets_the_mean_or_zeros():
    nothing = jnp.zeros((4, 4), bool)
    np.testing.assert_allclose(
        attention.attend(Q, K, V, nothing), jnp.broadcast_to(V.mean(1, keepdims=True), V.shape), atol=1e-5
    )
    np.testing.assert_array_equal(attention.attend(Q, K, V, nothing, masked=-jnp.inf), jnp.zeros(V.shape))


def test_bias_and_change_act_on_energies_and_weights():
    apart = jnp.where(jnp.eye(4, dtype=bool), 0.0, -1e9)  # each query sees its own key
    np.testing.assert_allclose(attention.attend(Q, K, V, bias=apart), V, atol=1e-6)
    np.testing.assert_allclose(
        attention.attend(Q, K, V, change=lambda w: 2 * w), 2 * attention.attend(Q, K, V), atol=1e-5
    )


@pytest.mark.parametrize("causal", [False, True])
def test_the_fused_form_is_the_same_or_says_that_it_is_none(causal):
    np.testing.assert_allclose(
        attention.fused(Q, K, V, causal=causal), attention.attend(Q, K, V, causal=causal), atol=1e-5
    )
    assert attention.fused(Q, K, V[..., :2]) is None


def test_softmax_of_nothing_has_no_probability_and_finite_gradients():
    x = jnp.array([[-jnp.inf, -jnp.inf], [0.0, 1.0]])
    np.testing.assert_allclose(attention.softmax_of(x, -1).sum(-1), [0, 1], rtol=1e-6)
    assert (attention.softmax_of(x, -1, log=True)[0] == -jnp.inf).all()
    assert np.isfinite(jax.grad(lambda x: attention.softmax_of(x, -1)[1, 0])(x)).all()
