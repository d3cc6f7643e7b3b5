"""Weights, stages that can make them, and models of one weight, for the tests of stages."""

import jax
import jax.numpy as jnp

import tenure as tn
from tenure import stages as st

KEY = jax.random.key(3)


SQUARE = jax.random.normal(jax.random.key(1), (4, 4))


TALL = jax.random.normal(jax.random.key(2), (6, 3))


def model_of(weight, stages, with_state=False):
    """A model whose output is its one weight, after its stages."""
    make = tn.transform_with_state if with_state else tn.transform
    return make(lambda: tn.get_parameter("w", weight.shape, weight.dtype, lambda s, d: weight, stages=stages))


def value(stages, weight=TALL, key=KEY, model=None):
    model = model or model_of(weight, stages)
    return model.apply(model.init(0), key)


STRUCTURAL = [  # stage, a weight that it can make exactly
    (st.WeightNorm(), TALL),
    (st.WeightNorm(axis=0), TALL),
    (st.LowRank(2), TALL[:, :2] @ TALL[:2, :]),
    (st.LoRA(2, alpha=8.0), TALL),
    (st.LoRA(2, freeze=False, switchable=True), TALL),
    (st.Quantise(8), TALL),
    (st.Quantise(8, packed=True), jnp.array([[127, -5], [0, 127], [3, 90]]) * 0.5),
    (st.Quantise(4, packed=True), jnp.array([[7, -5], [0, 7], [-7, 6]]) * 0.25),
    (st.Symmetric(), SQUARE + SQUARE.T),
    (st.Triangular(), jnp.tril(SQUARE)),
    (st.Triangular(upper=True), jnp.triu(SQUARE)),
    (st.Orthogonal(), jnp.linalg.qr(TALL)[0]),
    (st.Orthogonal(), jnp.linalg.qr(TALL)[0].T),
    (st.Orthogonal(), jnp.linalg.qr(SQUARE)[0]),
    (st.Orthogonal(), -jnp.eye(3)),
    (st.Orthogonal("expm"), jnp.linalg.qr(TALL)[0]),
    (st.Positive(), jnp.abs(TALL)),
    (st.Positive("softplus"), jnp.abs(TALL)),
]


SMOOTH = [s for s, _ in STRUCTURAL if s.name != "quantise"]
SMOOTH += [st.Standardise(), st.Noise(0.1), st.Noise(0.1, relative=True), st.Dropout(0.4), st.Variational(0.1)]
SMOOTH += [st.LoRA(2, dropout=0.5, freeze=False), st.Noise(0.1, remat=True), st.WeightNorm(remat=True)]
