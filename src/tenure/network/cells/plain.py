"""TensorFlow's cells: one `kernel` over input and state side by side, and a `bias`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from tenure import functional
from tenure.functional import affine
from tenure.network.cells.base import Cell, Params, Product, Spec, State
from tenure.network.tf import activation as by_name


def _function(activation: Any) -> Callable[[jax.Array], jax.Array]:
    return activation if callable(activation) else by_name(activation)


@dataclasses.dataclass(frozen=True)
class StandardLSTM(Cell):
    """LSTM with gates in the order input, candidate, forget, output, and a constant on the forget gate.

    Attributes:
      forget_bias: the constant.
      activation: of candidate and output.
      use_peepholes: whether the gates see the cells, through `w_i_diag`, `w_f_diag` and `w_o_diag`.
      cell_clip: a bound on the cells.
      scope: where the parameters are.

    Sources: Zaremba et al. 2014, https://arxiv.org/abs/1409.2329; the constant: Jozefowicz et al. 2015; peepholes: Sak et
    al. 2014, https://arxiv.org/abs/1402.1128.
    """

    forget_bias: float = 1.0
    activation: Any = "tanh"
    use_peepholes: bool = False
    cell_clip: float | None = None
    scope: str = "lstm_cell"

    parts: ClassVar[tuple[str, ...]] = ("c", "h")

    def params(self, inputs: int) -> dict[str, Spec]:
        """`kernel` and `bias`, and the diagonals of the peepholes."""
        n = self.size
        specs = {"kernel": Spec((inputs + n, 4 * n)), "bias": Spec((4 * n,), 0.0)}
        if self.use_peepholes:
            specs.update({f"w_{gate}_diag": Spec((n,)) for gate in "fio"})
        return {f"{self.scope}/{name}": spec for name, spec in specs.items()}

    def transform(self, params: Params, x: jax.Array) -> jax.Array:
        """The input's part of the gates."""
        return affine(x, params[f"{self.scope}/kernel"][: -self.size], params[f"{self.scope}/bias"])

    def matrices(self, params: Params, noise: Any) -> dict[str, jax.Array]:
        """The state's part of `kernel`."""
        return {"h": params[f"{self.scope}/kernel"][-self.size :]}

    def step(self, product: Product, params: Params, x: jax.Array, state: State, noise: Any) -> tuple[jax.Array, State]:
        """One step."""
        peepholes = {gate: params[f"{self.scope}/w_{gate}_diag"] for gate in "ifo"} if self.use_peepholes else None
        h, c = functional.lstm(
            x + product("h", state["h"]),
            state["c"],
            order=functional.GATES["tensorflow"],
            forget_bias=self.forget_bias,
            activation=_function(self.activation),
            peepholes=peepholes,
            clip=self.cell_clip,
        )
        return h, {"c": c, "h": h}


@dataclasses.dataclass(frozen=True)
class BasicLSTM(StandardLSTM):
    """The same under TensorFlow's older name."""

    scope: str = "basic_lstm_cell"

    fixed: ClassVar[frozenset[str]] = frozenset({"use_peepholes", "cell_clip"})


@dataclasses.dataclass(frozen=True)
class ZoneoutLSTM(StandardLSTM):
    """LSTM that keeps random units of cells and output as they were: Krueger et al. 2016, https://arxiv.org/abs/1606.01305.

    Attributes:
      zoneout_factor_cell: the probability for a cell.
      zoneout_factor_output: the probability for an output.
      use_zoneout_output: whether the output is the one with units kept (from behaviour version 17 on), as in the paper.
    """

    zoneout_factor_cell: float = 0.0
    zoneout_factor_output: float = 0.0
    use_zoneout_output: bool = True

    fixed: ClassVar[frozenset[str]] = frozenset({"forget_bias", "activation", "use_peepholes", "cell_clip"})

    @property
    def draws(self) -> bool:
        """Which units are kept is drawn in each step."""
        return True

    def step(self, product: Product, params: Params, x: jax.Array, state: State, noise: Any) -> tuple[jax.Array, State]:
        """One step; `noise` is a key, or None for the expectation."""
        y, new = super().step(product, params, x, state, None)
        keys = (None, None) if noise is None else jax.random.split(noise)
        kept = {
            part: _zoneout(new[part], state[part], rate, key)
            for part, rate, key in zip(
                ("c", "h"), (self.zoneout_factor_cell, self.zoneout_factor_output), keys, strict=True
            )
        }
        return (kept["h"] if self.use_zoneout_output else y), kept


def _zoneout(new: jax.Array, old: jax.Array, rate: float, key: jax.Array | None) -> jax.Array:
    if key is None:
        return (1 - rate) * new + rate * old
    return jnp.where(jax.random.bernoulli(key, 1 - rate, new.shape), new, old)


@dataclasses.dataclass(frozen=True)
class GRU(Cell):
    """`h' = u h + (1 - u) tanh(W [x, r h] + b)`: Cho et al. 2014, https://arxiv.org/abs/1406.1078.

    The gates are in the order reset, update; their bias starts from 1.
    """

    activation: Any = "tanh"
    scope: str = "gru_cell"

    def params(self, inputs: int) -> dict[str, Spec]:
        """`kernel` and `bias` of the gates, and of the candidate."""
        n, s = self.size, self.scope
        return {
            f"{s}/gates/kernel": Spec((inputs + n, 2 * n)),
            f"{s}/gates/bias": Spec((2 * n,), 1.0),
            f"{s}/candidate/kernel": Spec((inputs + n, n)),
            f"{s}/candidate/bias": Spec((n,), 0.0),
        }

    def transform(self, params: Params, x: jax.Array) -> jax.Array:
        """The input's part of gates and candidate, [..., 3 n]."""
        parts = (f"{self.scope}/gates", f"{self.scope}/candidate")
        return jnp.concatenate([affine(x, params[f"{p}/kernel"][: -self.size], params[f"{p}/bias"]) for p in parts], -1)

    def matrices(self, params: Params, noise: Any) -> dict[str, jax.Array]:
        """The state's parts of both kernels."""
        return {part: params[f"{self.scope}/{part}/kernel"][-self.size :] for part in ("gates", "candidate")}

    def step(self, product: Product, params: Params, x: jax.Array, state: State, noise: Any) -> tuple[jax.Array, State]:
        """One step."""
        new = functional.gru(x, state["state"], product, activation=_function(self.activation))
        return new, {"state": new}


@dataclasses.dataclass(frozen=True)
class BasicRNN(Cell):
    """`h' = tanh(W [x, h] + b)`: Elman 1990."""

    activation: Any = "tanh"
    scope: str = "basic_rnn_cell"

    def params(self, inputs: int) -> dict[str, Spec]:
        """`kernel` and `bias`."""
        return {
            f"{self.scope}/kernel": Spec((inputs + self.size, self.size)),
            f"{self.scope}/bias": Spec((self.size,), 0.0),
        }

    def transform(self, params: Params, x: jax.Array) -> jax.Array:
        """The input's part."""
        return affine(x, params[f"{self.scope}/kernel"][: -self.size], params[f"{self.scope}/bias"])

    def matrices(self, params: Params, noise: Any) -> dict[str, jax.Array]:
        """The state's part of `kernel`."""
        return {"h": params[f"{self.scope}/kernel"][-self.size :]}

    def step(self, product: Product, params: Params, x: jax.Array, state: State, noise: Any) -> tuple[jax.Array, State]:
        """One step."""
        new = _function(self.activation)(x + product("h", state["state"]))
        return new, {"state": new}
