"""Expressions of one array."""

import jax.numpy as jnp

from tenure.network.expressions import parse
from tenure.network.tf import tf

X = jnp.arange(6.0).reshape(2, 3)


def run(source, /, **names):
    return parse(source)({"tf": tf, "x": X, **names})
