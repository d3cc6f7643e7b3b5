"""Recurrent cores: `output, state = core(input, state)`."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tenure.core.run.module import Module
from tenure.core.run.naming import transparent
from tenure.core.run.parameters import get_parameter
from tenure.initializers import Initializer, VarianceScaling
from tenure.nn.linear import Linear


class RNNCore(Module):
    """What all cores are: something to call for each step, and a state to start from.

    >>> RNNCore.__abstractmethods__ == {"__call__", "initial_state"}
    True
    """

    @abc.abstractmethod
    def __call__(self, inputs: Any, prev_state: Any) -> tuple[Any, Any]:
        """One step: the output, and the next state, which looks like the one before."""

    @abc.abstractmethod
    def initial_state(self, batch_size: int | None) -> Any:
        """The state before the first step, with an axis for the batch unless `batch_size` is None."""


def zeros(shape: Sequence[int], batch_size: int | None) -> jax.Array:
    """A zero state, with an axis for the batch unless `batch_size` is None."""
    state = jnp.zeros(tuple(shape))
    return state if batch_size is None else jnp.broadcast_to(state, (batch_size, *state.shape))


class VanillaRNN(RNNCore):
    """`h' = relu(W x + b + U h + c)`; the output is the new state h'.

    Two modules own the parameters: `linear` for x, `linear_1` for h.

    Source: Elman 1990, "Finding structure in time", with a rectifier.

    >>> import tenure as tn
    >>> def step(x):
    ...     core = VanillaRNN(3)
    ...     return core(x, core.initial_state(len(x)))
    >>> list(tn.transform(step).init(jax.random.key(0), jnp.ones((2, 4))))
    ['vanilla_rnn/linear', 'vanilla_rnn/linear_1']
    """

    def __init__(self, hidden_size: int, double_bias: bool = True, name: str | None = None):
        """Describes the core.

        Args:
          hidden_size: of state and output.
          double_bias: whether there is a c besides b, which is redundant.
          name: of the module.
        """
        super().__init__(name=name)
        self.hidden_size = hidden_size
        self.double_bias = double_bias

    def __call__(self, inputs: jax.Array, prev_state: jax.Array) -> tuple[jax.Array, jax.Array]:
        """One step from [..., inputs] and [..., hidden] to [..., hidden], twice."""
        from_input = Linear(self.hidden_size)
        from_state = Linear(self.hidden_size, with_bias=self.double_bias)
        h = jax.nn.relu(from_input(jnp.asarray(inputs)) + from_state(jnp.asarray(prev_state)))
        return h, h

    def initial_state(self, batch_size: int | None) -> jax.Array:
        """Zeros [hidden] or [B, hidden]."""
        return zeros((self.hidden_size,), batch_size)


class LSTMState(NamedTuple):
    """The state of an LSTM: its last output, and the cells.

    >>> LSTMState(1, 2)
    LSTMState(hidden=1, cell=2)
    """

    hidden: jax.Array
    cell: jax.Array


def lstm_update(gates: jax.Array, cell: jax.Array, forget_bias: float = 1) -> LSTMState:
    """The next state from the sums [..., 4 * hidden] of input gate, candidate, forget gate and output gate."""
    i, g, f, o = jnp.split(gates, 4, axis=-1)
    cell = jax.nn.sigmoid(f + forget_bias) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
    return LSTMState(jax.nn.sigmoid(o) * jnp.tanh(cell), cell)


class LSTM(RNNCore):
    """`c' = σ(f + 1) c + σ(i) tanh(g)`, `h' = σ(o) tanh(c')`, where i, g, f and o are affine in x and h.

    The module `linear` owns all four maps side by side, in this order. The forget gate's 1 lets the cells remember at
    first.

    Sources: Hochreiter & Schmidhuber 1997; Zaremba et al. 2014, https://arxiv.org/abs/1409.2329; the 1: Jozefowicz et
    al. 2015.

    >>> import tenure as tn
    >>> def step(x):
    ...     core = LSTM(3)
    ...     return core(x, core.initial_state(len(x)))
    >>> jax.tree.map(jnp.shape, tn.transform(step).init(jax.random.key(0), jnp.ones((2, 4))))
    {'lstm/linear': {'b': (12,), 'w': (7, 12)}}
    """

    def __init__(self, hidden_size: int, name: str | None = None, *, forget_bias: float = 1):
        """Describes a core with so many cells.

        Args:
          hidden_size: of state and output.
          name: of the module.
          forget_bias: what is added to the forget gate besides `b`; weights of Keras, PyTorch and RETURNN have 0.
        """
        super().__init__(name=name)
        self.hidden_size = hidden_size
        self.forget_bias = forget_bias

    def __call__(self, inputs: jax.Array, prev_state: LSTMState) -> tuple[jax.Array, LSTMState]:
        """One step from [inputs] or [B, inputs] to [hidden] or [B, hidden].

        Raises:
          ValueError: the input has another number of axes.
        """
        x = jnp.asarray(inputs)
        if x.ndim not in (1, 2):
            raise ValueError(f"LSTM input must be rank-1 or rank-2: [inputs] or [batch, inputs], not {x.shape}")
        state = jax.tree.map(jnp.asarray, prev_state)
        gates = Linear(4 * self.hidden_size)(jnp.concatenate([x, state.hidden], axis=-1))
        new = lstm_update(gates, state.cell, self.forget_bias)
        return new.hidden, new

    def initial_state(self, batch_size: int | None) -> LSTMState:
        """Zeros [hidden] or [B, hidden]."""
        return LSTMState(*(zeros((self.hidden_size,), batch_size) for _ in range(2)))


class GRU(RNNCore):
    """`h' = (1 - z) h + z tanh(W x + U (r h) + b)`, where z and r are sigmoids of affine maps of x and h.

    Owns `w_i` [inputs, 3 * hidden], `w_h` [hidden, 3 * hidden] and `b`, each of them for z, r and the candidate.

    With `reset_after`, the candidate is `tanh(W x + b + r (U h + c))`, and `b_h` holds c: cuDNN's, PyTorch's and Keras's GRU.

    Source: Chung et al. 2014, https://arxiv.org/abs/1412.3555, with biases.

    >>> import tenure as tn
    >>> def step(x):
    ...     core = GRU(3)
    ...     return core(x, core.initial_state(len(x)))
    >>> jax.tree.map(jnp.shape, tn.transform(step).init(jax.random.key(0), jnp.ones((2, 4))))
    {'gru': {'b': (9,), 'w_h': (3, 9), 'w_i': (4, 9)}}
    """

    def __init__(
        self,
        hidden_size: int,
        w_i_init: Initializer | None = None,
        w_h_init: Initializer | None = None,
        b_init: Initializer | None = None,
        name: str | None = None,
        *,
        reset_after: bool = False,
    ):
        """Describes a core.

        Args:
          hidden_size: of state and output.
          w_i_init, w_h_init: of the weights, by default `VarianceScaling()`.
          b_init: of the biases, by default zeros.
          name: of the module.
          reset_after: whether the reset gate is applied after the state's matrix, whose bias is then `b_h`.
        """
        super().__init__(name=name)
        self.hidden_size = hidden_size
        self.reset_after = reset_after
        self.w_i_init = w_i_init or VarianceScaling()
        self.w_h_init = w_h_init or VarianceScaling()
        self.b_init = b_init or jnp.zeros

    def __call__(self, inputs: jax.Array, state: jax.Array) -> tuple[jax.Array, jax.Array]:
        """One step from [inputs] or [B, inputs] to [hidden] or [B, hidden], twice.

        Raises:
          ValueError: the input has another number of axes.
        """
        x, h = jnp.asarray(inputs), jnp.asarray(state)
        if x.ndim not in (1, 2):
            raise ValueError(f"GRU input must be rank-1 or rank-2: [inputs] or [batch, inputs], not {x.shape}")
        size = self.hidden_size
        w_i = get_parameter("w_i", (x.shape[-1], 3 * size), x.dtype, self.w_i_init)
        w_h = get_parameter("w_h", (size, 3 * size), x.dtype, self.w_h_init)
        b = get_parameter("b", (3 * size,), x.dtype, self.b_init)
        w_gates, w_candidate = jnp.split(w_h, [2 * size], axis=1)
        b_gates, b_candidate = jnp.split(b, [2 * size])
        x_gates, x_candidate = jnp.split(jnp.matmul(x, w_i), [2 * size], axis=-1)
        if self.reset_after:
            return self._reset_after(h, jnp.matmul(x, w_i) + b, w_h)
        h_gates = jnp.matmul(h, w_gates)
        gates = jax.nn.sigmoid(x_gates + h_gates + jnp.broadcast_to(b_gates, h_gates.shape))
        update, reset = jnp.split(gates, 2, axis=-1)
        h_candidate = jnp.matmul(reset * h, w_candidate)
        candidate = jnp.tanh(x_candidate + h_candidate + jnp.broadcast_to(b_candidate, h_candidate.shape))
        new = (1 - update) * h + update * candidate
        return new, new

    @transparent
    def _reset_after(self, h: jax.Array, from_input: jax.Array, w_h: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The step whose reset gate is applied to the affine map of the state."""
        b_h = get_parameter("b_h", (3 * self.hidden_size,), w_h.dtype, self.b_init)
        from_state = jnp.matmul(h, w_h) + b_h
        update, reset, candidate = jnp.split(from_input, 3, axis=-1)
        h_update, h_reset, h_candidate = jnp.split(from_state, 3, axis=-1)
        update = jax.nn.sigmoid(update + h_update)
        candidate = jnp.tanh(candidate + jax.nn.sigmoid(reset + h_reset) * h_candidate)
        new = (1 - update) * h + update * candidate
        return new, new

    def initial_state(self, batch_size: int | None) -> jax.Array:
        """Zeros [hidden] or [B, hidden]."""
        return zeros((self.hidden_size,), batch_size)
