"""Recurrent highway network: Zilly et al. 2016, https://arxiv.org/abs/1607.03474."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.functional import affine
from tenure.network.cells.base import Cell, Params, Product, Spec, State


@dataclasses.dataclass(frozen=True)
class RHN(Cell):
    """Several highway layers in each step: `s += t (tanh(..) - s)`.

    Attributes:
      depth: how many.
      dropout: on the state, the same mask in all steps.
      transform_bias: what the transform gate's bias starts from.
      scope: where the layers' matrices are.
    """

    depth: int = 5
    dropout: float = 0.0
    transform_bias: float | None = None
    scope: str = "rhn_cell"

    def params(self, inputs: int) -> dict[str, Spec]:
        """`W` and `b` for the input, and a `W` for each layer."""
        n = self.size
        bias = np.concatenate([np.zeros(n), np.full(n, self.transform_bias or 0.0)]).astype("float32")
        layers = {f"{self.scope}/depth_{i}/W": Spec((n, 2 * n)) for i in range(self.depth)}
        return {"W": Spec((inputs, 2 * n), "forward"), "b": Spec((2 * n,), bias), **layers}

    def transform(self, params: Params, x: jax.Array) -> jax.Array:
        """The input's part of the first layer."""
        return affine(x, params["W"], params["b"])

    def fixed_noise(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        """The mask of the state, scaled."""
        if not self.dropout:
            return None
        return jax.random.bernoulli(key, 1 - self.dropout, shape) / (1 - self.dropout)

    def matrices(self, params: Params, noise: Any) -> dict[str, jax.Array]:
        """The layers' matrices."""
        return {str(i): params[f"{self.scope}/depth_{i}/W"] for i in range(self.depth)}

    def step(self, product: Product, params: Params, x: jax.Array, state: State, noise: Any) -> tuple[jax.Array, State]:
        """One step. What is added to is the state without the mask, which would blow it up."""
        s = state["state"]
        for i in range(self.depth):
            masked = s if noise is None else s * noise
            both = product(str(i), masked) + (x if i == 0 else 0)
            h, t = jnp.split(both, 2, axis=-1)
            s = s + jax.nn.sigmoid(t) * (jnp.tanh(h) - s)
        return s, {"state": s}
