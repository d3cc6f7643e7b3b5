"""A long short-term memory over two axes, each cell of which has seen all that is above and left of it.

Source: Voigtlaender et al. 2016, "Handwriting Recognition with Large Multidimensional LSTM Recurrent Neural Networks",
https://doi.org/10.1109/ICFHR.2016.0052; with a source and a target sequence as the axes, Bahar et al. 2018,
"Towards Two-Dimensional Sequence to Sequence Model in Neural Machine Translation", https://arxiv.org/abs/1810.03975.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from tenure.functional import recurrence, scan
from tenure.functional.recurrence import Product

Row = tuple[jax.Array, jax.Array]  # cells and outputs, each [S, B, n]


def rows(
    x: jax.Array, y: jax.Array, across: jax.Array, down: jax.Array, inside: jax.Array, start: Row
) -> tuple[Row, jax.Array]:
    """Row after row, each from left to right.

    Gates are in the order input, forget, lambda, output, candidate; lambda is the share of the cell above.

    Args:
      x: [S, B, 5 n], what each column adds to the gates.
      y: [T, B, 5 n], what each row adds.
      across: [n, 5 n], for the output to the left.
      down: [n, 5 n], for the output above.
      inside: [S, B], which columns count; the others are zero.
      start: the row above the first one.

    Returns:
      The last row, and all outputs [T, S, B, n].
    """

    def cell(product: Product, _: Any, column: tuple[jax.Array, ...], left: Row) -> tuple[Row, Row]:
        gates, above_c, keep = column
        gates = gates + product("across", left[1])
        i, f, share, o = (jax.nn.sigmoid(g) for g in jnp.split(gates, 5, axis=-1)[:4])
        candidate = jnp.tanh(jnp.split(gates, 5, axis=-1)[4])
        c = i * candidate + f * (share * above_c + (1 - share) * left[0])
        c = c * keep[:, None]
        h = o * jnp.tanh(c) * keep[:, None]
        return (c, h), (c, h)

    def row(above: Row, gates: jax.Array) -> tuple[Row, jax.Array]:
        nothing = (jnp.zeros_like(above[0][0]), jnp.zeros_like(above[1][0]))
        columns = (x + gates + above[1] @ down, above[0], inside.astype(x.dtype))
        _, new = recurrence(cell, {"across": across}, (), columns, nothing)
        return new, new[1]

    return scan(row, start, y)
