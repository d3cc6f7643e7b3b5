"""Batch norm: in test mode, and over mapped replicas."""

import jax
import numpy as np

import tenure as tn
from tenure import nn


def test_batch_norm_in_test_mode_needs_no_training_first() -> None:
    """Planning in test mode knows the running averages' shapes, and a later training step finds all of its states."""
    model = tn.transform_with_state(lambda x, training: nn.BatchNorm(True, True, 0.9)(x, training))
    x = jax.random.normal(jax.random.key(0), (8, 3)) * 4 + 7
    params, state = model.init(None, x, False)
    _, trained = model.apply(params, state, None, x, True)
    out, after = model.apply(params, trained, None, x, False)
    np.testing.assert_allclose(out.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(out.std(0), 1, atol=1e-4)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), trained, after))


def test_batch_norm_over_mapped_replicas() -> None:
    model = tn.transform_with_state(lambda x: nn.BatchNorm(True, True, 0.9, cross_replica_axis="i")(x, True))
    whole = tn.transform_with_state(lambda x: nn.BatchNorm(True, True, 0.9)(x, True))
    x = jax.random.normal(jax.random.key(0), (2, 4, 3))
    params, state = whole.init(None, x.reshape(8, 3))
    out, _ = jax.vmap(lambda x: model.apply(params, state, None, x), axis_name="i")(x)
    np.testing.assert_allclose(out.reshape(8, 3), whole.apply(params, state, None, x.reshape(8, 3))[0], atol=1e-5)
