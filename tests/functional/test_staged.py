"""Whether operations are written down or run at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.functional.staged import staged

X = jnp.ones((2, 3))


def asked(transformation, x=X):
    found = []

    def f(x):
        found.append(staged(x))
        return jnp.sum(x)

    transformation(f)(x)
    return set(found)


def test_values():
    assert not any(map(staged, (X, np.ones(2), 1.0, 3, None)))


@pytest.mark.parametrize("transformation", [jax.grad, jax.vmap, lambda f: jax.vmap(jax.grad(f))])
def test_transformations_alone_run_at_once(transformation):
    assert asked(transformation) == {False}
    assert asked(lambda f: jax.jit(transformation(f))) == {True}


def test_bodies_of_loops_are_written_down():
    assert asked(lambda f: lambda x: jax.lax.map(f, x)) == {True}
