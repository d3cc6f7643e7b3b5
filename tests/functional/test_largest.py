"""The largest entries of rows, next to JAX's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tenure.functional import top_k
from tenure.functional.largest import LEAST, LONG


def rows(shape, seed=0, levels=None):
    x = np.random.RandomState(seed).randn(*shape).astype("float32")
    return x if levels is None else np.round(x * levels) / levels


@pytest.mark.parametrize("shape", [(3, 24_000), (2, 12 * 2003), (2, 3, 1026), (LONG + 8,), (5, 7919), (2, 40)])
@pytest.mark.parametrize("k", [1, 12, 40])
@pytest.mark.parametrize("levels", [None, 3], ids=["all different", "many equal"])
def test_it_is_what_jax_finds(shape, k, levels):
    x = rows(shape, levels=levels)
    x.reshape(-1)[5 : x.size // 3] = -np.inf
    for wanted, found in zip(jax.lax.top_k(x, k), jax.jit(top_k, static_argnums=1)(x, k), strict=True):
        np.testing.assert_array_equal(wanted, found)
        assert wanted.dtype == found.dtype


def test_rows_of_one_value_give_their_first_places():
    for value in (0.0, -np.inf, 3.0):
        np.testing.assert_array_equal(top_k(jnp.full((2, 6000), value), 5)[1], [[0, 1, 2, 3, 4]] * 2)


def test_what_is_sorted_is_much_shorter_than_the_row():
    def sorted_rows(n):
        text = jax.jit(top_k, static_argnums=1).lower(jnp.zeros((8, n)), 12).as_text()
        return [int(line.partition("tensor<8x")[2].partition("x")[0]) for line in text.splitlines() if "top_k" in line and "tensor<8x" in line]  # fmt: skip

    assert max(sorted_rows(24_000)) < 24_000 / 8
    assert max(sorted_rows(LONG - 1)) == LONG - 1 and LEAST > 1


def test_it_is_differentiated_and_exported_for_any_number_of_rows():
    x = rows((2, 6000))
    found = jax.grad(lambda x: top_k(x, 3)[0].sum())(x)
    np.testing.assert_array_equal(found, jax.grad(lambda x: jax.lax.top_k(x, 3)[0].sum())(x))
    (b,) = jax.export.symbolic_shape("b")
    program = jax.export.export(jax.jit(lambda x: top_k(x, 3)))(jax.ShapeDtypeStruct((b, 6000), jnp.float32))
    np.testing.assert_array_equal(program.call(x)[1], jax.lax.top_k(x, 3)[1])
