"""RETURNN's own LSTMs: `W` [inputs, 4 n], `W_re` [n, 4 n], `b`; gates in the order candidate, input, forget, output.

There is no constant on the forget gate.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax

from tenure.functional import GATES, affine, lstm
from tenure.network.cells.base import Cell, Params, Product, Spec, State


def update(gates: jax.Array, state: State) -> tuple[jax.Array, State]:
    """The step from the sums of the four gates [..., 4 n]."""
    h, c = lstm(gates, state["c"], order=GATES["returnn"])
    return h, {"c": c, "h": h}


@dataclasses.dataclass(frozen=True)
class NativeLSTM(Cell):
    """LSTM without a constant on the forget gate: Hochreiter & Schmidhuber 1997.

    Attributes:
      rec_weight_dropout: dropout on `W_re`, the same for all steps: Merity et al. 2017, https://arxiv.org/abs/1708.02182.
      rec_weight_dropout_shape: of the mask, None for a whole axis.
    """

    rec_weight_dropout: float = 0.0
    rec_weight_dropout_shape: Any = None

    parts: ClassVar[tuple[str, ...]] = ("c", "h")
    takes_labels: ClassVar[bool] = True

    def params(self, inputs: int) -> dict[str, Spec]:
        """`W`, `b` and `W_re`."""
        n = self.size
        return {
            "W": Spec((inputs, 4 * n), "forward"),
            "b": Spec((4 * n,), "bias"),
            "W_re": Spec((n, 4 * n), "recurrent"),
        }

    def transform(self, params: Params, x: jax.Array) -> jax.Array:
        """The input's part of the gates."""
        return affine(x, params["W"], params["b"])

    def fixed_noise(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        """The mask of `W_re`, scaled."""
        if not self.rec_weight_dropout:
            return None
        full = (self.size, 4 * self.size)
        given = self.rec_weight_dropout_shape or full
        keep = 1.0 - self.rec_weight_dropout
        mask = jax.random.bernoulli(key, keep, tuple(f if g is None else g for g, f in zip(given, full, strict=True)))
        return mask / keep

    def matrices(self, params: Params, noise: Any) -> dict[str, jax.Array]:
        """`W_re`, which `noise` multiplies."""
        return {"h": params["W_re"] if noise is None else params["W_re"] * noise}

    def step(self, product: Product, params: Params, x: jax.Array, state: State, noise: Any) -> tuple[jax.Array, State]:
        """One step."""
        return update(x + product("h", state["h"]), state)


@dataclasses.dataclass(frozen=True)
class NativeLSTMLowMem(Cell):
    """The same LSTM, with both matrices in one `W` [inputs + n, 4 n]."""

    parts: ClassVar[tuple[str, ...]] = ("c", "h")

    def params(self, inputs: int) -> dict[str, Spec]:
        """`W` and `b`."""
        return {"W": Spec((inputs + self.size, 4 * self.size), "recurrent"), "b": Spec((4 * self.size,), 0.0)}

    def transform(self, params: Params, x: jax.Array) -> jax.Array:
        """The input's part of the gates."""
        return affine(x, params["W"][: -self.size], params["b"])

    def matrices(self, params: Params, noise: Any) -> dict[str, jax.Array]:
        """The state's part of `W`."""
        return {"h": params["W"][-self.size :]}

    def step(self, product: Product, params: Params, x: jax.Array, state: State, noise: Any) -> tuple[jax.Array, State]:
        """One step."""
        return update(x + product("h", state["h"]), state)
