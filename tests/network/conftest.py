"""Fixtures of several rooms of the networks' tests."""

import jax.numpy as jnp
import numpy as np
import pytest

from tenure.network import sizes
from tenure.network.tensor import Tensor
from tests.network.declared import BATCH, DATA, FEATURE, LENGTHS, TIME


@pytest.fixture
def declared():
    """A run that knows the sizes of the dims of `declared.py`."""
    with sizes.use(sizes.Sizes()) as found:
        found.declare(BATCH, 2)
        found.declare(TIME, 5, Tensor(jnp.array(LENGTHS), (BATCH,)))
        yield found


@pytest.fixture
def x(declared):
    """A tensor [B, T, F] in that run."""
    return Tensor(jnp.array(DATA), (BATCH, TIME, FEATURE))


@pytest.fixture
def batch():
    """Frames and labels of three sequences, for the networks of `loops.py`."""
    rng, lengths = np.random.RandomState(0), np.array([6, 4, 3])
    return {
        "data": (rng.randn(3, 6, 4).astype("float32"), lengths),
        "classes": (rng.randint(1, 7, (3, 6)), lengths),
    }
