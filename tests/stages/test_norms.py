"""Weight norm, standardised weights and spectral norm, by their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.test_util import check_grads

import tenure as tn
from tenure import stages as st
from tests.stages.cases import TALL, model_of, value


def test_spectral_norm_gradient_matches_finite_differences_where_its_vectors_stand_still():
    with jax.enable_x64(True):
        model = tn.evaluation(model_of(TALL.astype(jnp.float64), [st.SpectralNorm(3)], with_state=True))
        params, state = model.init(0)
        u, s, v = np.linalg.svd(np.asarray(params["~"]["w"]))
        state = {"~": {"w.spectral_norm.u": jnp.asarray(v[0])}}  # at the fixed point the left vector does not move
        loss = lambda p: jnp.sum(jnp.sin(model.apply(p, state, None)[0]))  # noqa: E731
        check_grads(loss, (params,), order=1, modes=["rev"], rtol=1e-4)


def test_weight_norm_is_direction_times_scale():
    model = model_of(TALL, [st.WeightNorm()])
    params = model.init(0)
    doubled = {"~": {"w": 3 * params["~"]["w"], "w.weight_norm.scale": jnp.array([1.0, 2.0, 3.0])}}
    np.testing.assert_allclose(jnp.linalg.norm(model.apply(doubled, None), axis=0), [1, 2, 3], rtol=1e-6)


def test_standardise_has_zero_mean_and_unit_variance():
    out = value([st.Standardise()])
    np.testing.assert_allclose(jnp.mean(out, 0), 0, atol=1e-6)
    np.testing.assert_allclose(jnp.var(out, 0), 1, rtol=1e-4)


def test_spectral_norm_converges_and_stands_still_in_evaluation():
    model = model_of(TALL, [st.SpectralNorm(n_steps=5)], with_state=True)
    params, state = model.init(0)
    for _ in range(30):
        out, state = model.apply(params, state, None)
    np.testing.assert_allclose(np.linalg.svd(out)[1][0], 1, rtol=1e-5)
    same, after = tn.evaluation(model).apply(params, state, None)
    np.testing.assert_allclose(same, out, rtol=1e-6)
    assert jax.tree.all(jax.tree.map(jnp.array_equal, after, state))
