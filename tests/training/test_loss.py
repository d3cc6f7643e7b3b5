"""What a model of a config's own gives as its loss."""

import dataclasses

import jax
import jax.numpy as jnp

from tenure.training import Loss


def test_it_is_a_tree_whose_scale_is_no_leaf():
    loss = Loss(jnp.float32(6), jnp.float32(3), scale=0.5)
    assert len(jax.tree.leaves(loss)) == 2 and loss.mean == 2
    doubled = jax.jit(lambda x: dataclasses.replace(x, sum=2 * x.sum))(loss)
    assert doubled.mean == 4 and doubled.scale == 0.5 and doubled.error is None
