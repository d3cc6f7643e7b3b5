"""Losses of embeddings, at values that are known."""

import jax
import jax.numpy as jnp
import pytest

from tenure.network.losses import clusters


def test_deep_clustering_vanishes_for_perfect_embeddings():
    target = jax.nn.one_hot(jnp.array([[0, 1, 1, 0]]), 2).reshape(1, 2, 4)
    keep = jnp.ones((1, 2), bool)
    assert clusters.deep_clustering(target, target, keep, 2, 2)[0] == pytest.approx(0, abs=1e-5)
    assert clusters.deep_clustering(target[..., ::-1] * 2, target, keep, 2, 2)[0] > 1


def test_triplets_count_pairs():
    same = clusters.pairs(jnp.array([[1.0, 0], [1, 0], [0, 1]]), jnp.array([1, 1, 2]), 0.5)
    assert same == pytest.approx(0, abs=1e-6)
    assert clusters.pairs(jnp.array([[1.0, 0], [1, 0]]), jnp.array([1, 2]), 0.5) == pytest.approx(0.5)
