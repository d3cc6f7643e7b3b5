"""LSTM with layer normalisation in all the places where it has been put."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from tenure.functional import affine, lstm_cells, standardised
from tenure.network.cells.base import Cell, Params, Product, Spec, State
from tenure.network.tf import activation as by_name


@dataclasses.dataclass(frozen=True)
class LayerNormVariantsLSTM(Cell):
    """LSTM with layer normalisation and dropout; gates in the order input, candidate, forget, output.

    Attributes:
      norm_gain, norm_shift: what `gamma` and `beta` start from.
      forget_bias: added to what the forget gate's bias starts from.
      activation: of candidate and output.
      dropout: on the candidate: Semeniuta et al. 2016, https://arxiv.org/abs/1603.05118.
      dropout_h: on the last output. Both masks are the same in all steps.
      with_concat: one matrix for input and state.
      global_norm: normalise the input's part and the state's part, each over all gates: Ba et al. 2016,
        https://arxiv.org/abs/1607.06450.
      global_norm_joined: normalise their sum instead.
      per_gate_norm: normalise each gate: Chen et al. 2018, https://arxiv.org/abs/1804.09849.
      cell_norm: normalise the cells.
      cell_norm_in_output: whether the output sees them normalised.
      hidden_norm: normalise the output.
      variance_epsilon: added to variances.
    """

    norm_gain: float = 1.0
    norm_shift: float = 0.0
    forget_bias: float = 0.0
    activation: Any = "tanh"
    dropout: float = 0.0
    dropout_h: float = 0.0
    with_concat: bool = False
    global_norm: bool = True
    global_norm_joined: bool = False
    per_gate_norm: bool = False
    cell_norm: bool = True
    cell_norm_in_output: bool = True
    hidden_norm: bool = False
    variance_epsilon: float = 1e-12

    parts: ClassVar[tuple[str, ...]] = ("c", "h")

    def __post_init__(self) -> None:
        if self.global_norm + self.global_norm_joined + self.per_gate_norm > 1:
            raise ValueError("only one of global_norm, global_norm_joined and per_gate_norm can be on")
        if self.with_concat and self.global_norm:
            raise ValueError("global_norm takes input and state apart, which with_concat joins")

    def params(self, inputs: int) -> dict[str, Spec]:
        """Matrices, biases, and a gain and a shift for each normalisation."""
        n = self.size
        plain = not (self.global_norm or self.global_norm_joined or self.per_gate_norm)
        specs: dict[str, Spec] = {}
        if self.with_concat:
            specs["W_ff_re"] = Spec((inputs + n, 4 * n))
            if plain:
                specs["bias_ff_re"] = Spec((4 * n,), self._gate_bias())
        else:
            specs["W_ff"], specs["W_re"] = Spec((inputs, 4 * n)), Spec((n, 4 * n))
            if plain:
                specs["bias_ff"] = Spec((4 * n,), self._gate_bias())
        if self.global_norm:
            specs.update(self._norm_specs("input_below", 4 * n, forget=True))
            specs["gamma_state_below"] = Spec((4 * n,), self.norm_gain)
        if self.global_norm_joined:
            specs.update(self._norm_specs("lstm_in", 4 * n, forget=True))
        if self.per_gate_norm:
            for gate in "ijfo":
                specs.update(self._norm_specs(f"{gate}_gate", n, forget=gate == "f"))
        for name in ("new_c",) * self.cell_norm + ("new_h",) * self.hidden_norm:
            specs.update(self._norm_specs(name, n))
        return specs

    def _norm_specs(self, name: str, size: int, forget: bool = False) -> dict[str, Spec]:
        shift = self.norm_shift + (self.forget_bias if forget and self.forget_bias > 0 else 0.0)
        return {f"gamma_{name}": Spec((size,), self.norm_gain), f"beta_{name}": Spec((size,), shift)}

    def _gate_bias(self) -> np.ndarray:
        bias = np.zeros((4, self.size), "float32")
        bias[2] = max(self.forget_bias, 0.0)
        return bias.reshape(-1)

    def _norm(self, params: Params, name: str, x: jax.Array, shift: bool = True) -> jax.Array:
        offset = params[f"beta_{name}"] if shift else None
        return standardised(x, (-1,), self.variance_epsilon, params[f"gamma_{name}"], offset)

    def transform(self, params: Params, x: jax.Array) -> jax.Array:
        """The input's part of the gates."""
        if self.with_concat:
            return affine(x, params["W_ff_re"][: -self.size], params.get("bias_ff_re"))
        y = affine(x, params["W_ff"], params.get("bias_ff"))
        return self._norm(params, "input_below", y) if self.global_norm else y

    def fixed_noise(self, key: jax.Array, shape: tuple[int, ...]) -> Any:
        """The masks of candidate and output, scaled."""
        rates = (self.dropout, self.dropout_h)
        keys = jax.random.split(key)
        return [jax.random.bernoulli(k, 1 - r, shape) / (1 - r) if r else 1.0 for k, r in zip(keys, rates, strict=True)]

    def matrices(self, params: Params, noise: Any) -> dict[str, jax.Array]:
        """The state's matrix."""
        return {"h": params["W_ff_re"][-self.size :] if self.with_concat else params["W_re"]}

    def step(self, product: Product, params: Params, x: jax.Array, state: State, noise: Any) -> tuple[jax.Array, State]:
        """One step."""
        on_candidate, on_output = (None, 1.0) if noise is None else noise
        below = product("h", state["h"] * on_output)
        if self.global_norm:
            below = self._norm(params, "state_below", below, shift=False)
        gates = x + below
        if self.global_norm_joined:
            gates = self._norm(params, "lstm_in", gates)
        parts = jnp.split(gates, 4, axis=-1)
        if self.per_gate_norm:
            parts = [self._norm(params, f"{gate}_gate", part) for gate, part in zip("ijfo", parts, strict=True)]
        i, j, f, o = parts
        act = self.activation if callable(self.activation) else by_name(self.activation)
        c = lstm_cells(i, j, f, state["c"], activation=act, candidate_scale=on_candidate)
        normed = self._norm(params, "new_c", c) if self.cell_norm else c
        h = jax.nn.sigmoid(o) * act(normed if self.cell_norm_in_output else c)
        h = self._norm(params, "new_h", h) if self.hidden_norm else h
        return h, {"c": normed, "h": h}
