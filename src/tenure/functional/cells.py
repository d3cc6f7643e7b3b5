"""The steps of gated recurrent cells, after the products with their matrices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

#: Orders of an LSTM's gates side by side: i(nput), g (the candidate), f(orget), o(utput).
GATES = {"haiku": "igfo", "tensorflow": "igfo", "returnn": "gifo"}


def lstm(
    gates: jax.Array,
    cell: jax.Array,
    *,
    order: str = "igfo",
    forget_bias: float = 0.0,
    activation: Callable[[jax.Array], jax.Array] = jnp.tanh,
    peepholes: Mapping[str, jax.Array] | None = None,
    clip: float | None = None,
) -> tuple[jax.Array, jax.Array]:
    """`c' = σ(f + forget_bias) c + σ(i) tanh(g)` and `h' = σ(o) tanh(c')`.

    Sources: Hochreiter & Schmidhuber 1997; Zaremba et al. 2014, https://arxiv.org/abs/1409.2329; the constant on the
    forget gate: Jozefowicz et al. 2015; peepholes: Sak et al. 2014, https://arxiv.org/abs/1402.1128.

    Args:
      gates: [..., 4 n], the sums of the four gates side by side.
      cell: [..., n], c.
      order: of the gates: the letters i, g, f and o.
      forget_bias: added to the forget gate's sum.
      activation: of the candidate and of the cells in the output.
      peepholes: "i", "f" and "o": [n], with which the gates see the cells; the output gate sees the new ones.
      clip: a bound on the new cells.

    Returns:
      h' and c', each [..., n].

    >>> h, c = lstm(jnp.zeros((1, 8)), jnp.ones((1, 2)))
    >>> c.tolist()
    [[0.5, 0.5]]
    """
    sums = dict(zip(order, jnp.split(gates, 4, axis=-1), strict=True))
    if peepholes is not None:
        sums |= {gate: sums[gate] + cell * peepholes[gate] for gate in "if"}
    cell = lstm_cells(sums["i"], sums["g"], sums["f"], cell, forget_bias=forget_bias, activation=activation)
    if clip is not None:
        cell = jnp.clip(cell, -clip, clip)
    o = sums["o"] if peepholes is None else sums["o"] + cell * peepholes["o"]
    return jax.nn.sigmoid(o) * activation(cell), cell


def lstm_cells(
    i: jax.Array,
    g: jax.Array,
    f: jax.Array,
    cell: jax.Array,
    *,
    forget_bias: float = 0.0,
    activation: Callable[[jax.Array], jax.Array] = jnp.tanh,
    candidate_scale: Any = None,
) -> jax.Array:
    """The new cells [..., n] of an `lstm`, from the sums of its gates, each [..., n].

    `candidate_scale` is a mask of dropout on the candidate, [..., n].

    Args:
      i, g, f: sums of the input gate, the candidate and the forget gate, each [..., n].
      cell: the cells before, [..., n].
      forget_bias: is added to `f`.
      activation: of the candidate.
      candidate_scale: a mask of dropout on the candidate, [..., n].

    >>> lstm_cells(jnp.zeros(1), jnp.zeros(1), jnp.zeros(1), jnp.ones(1))
    Array([0.5], dtype=float32)
    """
    new = jax.nn.sigmoid(i) * activation(g)
    new = new if candidate_scale is None else new * candidate_scale
    return jax.nn.sigmoid(f + forget_bias if forget_bias else f) * cell + new


def gru(
    x: jax.Array,
    h: jax.Array,
    product: Callable[[str, jax.Array], jax.Array],
    *,
    bias: jax.Array | None = None,
    order: str = "ru",
    update_keeps: bool = True,
    activation: Callable[[jax.Array], jax.Array] = jnp.tanh,
) -> jax.Array:
    """`h' = u h + (1 - u) tanh(x + (r h) C)` with sigmoids r and u of `x + h G`.

    Sources: Cho et al. 2014, https://arxiv.org/abs/1406.1078; with `update_keeps=False`, where u and 1 - u change
    places, Chung et al. 2014, https://arxiv.org/abs/1412.3555.

    Args:
      x: [..., 3 n], what the input adds to both gates and to the candidate.
      h: [..., n].
      product: `product("gates", h)` is h G [..., 2 n], `product("candidate", r * h)` is (r h) C [..., n].
      bias: [3 n], added last; None if x holds it.
      order: of the gates: "ru" or "ur".
      update_keeps: whether u is the share of the old state.
      activation: of the candidate.

    Returns:
      h', [..., n].

    >>> gru(jnp.zeros((1, 3)), jnp.ones((1, 1)), lambda name, h: jnp.zeros((1, 2 if name == "gates" else 1)))
    Array([[0.5]], dtype=float32)
    """
    n = h.shape[-1]
    x_gates, x_candidate = jnp.split(x, [2 * n], axis=-1)
    sums = x_gates + product("gates", h)
    if bias is not None:
        sums = sums + jnp.broadcast_to(bias[: 2 * n], sums.shape)
    gates = dict(zip(order, jnp.split(jax.nn.sigmoid(sums), 2, axis=-1), strict=True))
    candidate = x_candidate + product("candidate", gates["r"] * h)
    if bias is not None:
        candidate = candidate + jnp.broadcast_to(bias[2 * n :], candidate.shape)
    candidate, update = activation(candidate), gates["u"]
    return update * h + (1 - update) * candidate if update_keeps else (1 - update) * h + update * candidate


def gru_reset_after(x: jax.Array, from_state: jax.Array, h: jax.Array) -> jax.Array:
    """`h' = (1 - u) h + u tanh(x + r (h C))`: a GRU whose reset gate comes after the matrix.

    Source: Cho et al. 2014, https://arxiv.org/abs/1406.1078, as cuDNN computes it.

    Args:
      x: [..., 3 n], what the input adds to u, to r and to the candidate.
      from_state: [..., 3 n], the state times its matrix, with a bias.
      h: [..., n].

    Returns:
      h', [..., n].

    >>> gru_reset_after(jnp.zeros((1, 3)), jnp.zeros((1, 3)), jnp.ones((1, 1)))
    Array([[0.5]], dtype=float32)
    """
    update, reset, candidate = jnp.split(x, 3, axis=-1)
    h_update, h_reset, h_candidate = jnp.split(from_state, 3, axis=-1)
    update = jax.nn.sigmoid(update + h_update)
    candidate = jnp.tanh(candidate + jax.nn.sigmoid(reset + h_reset) * h_candidate)
    return (1 - update) * h + update * candidate
