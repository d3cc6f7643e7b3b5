"""Recurrent cores: `output, state = core(input, state)`."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tenure.core.run.module import Module, Share, Stages
from tenure.core.run.naming import name_like, transparent
from tenure.core.run.parameters import get_parameter
from tenure.functional import GATES, affine, gru, gru_reset_after, lstm
from tenure.functional.recurrence import Product
from tenure.initializers import Initializer, VarianceScaling
from tenure.nn.axis_names import named, with_names
from tenure.nn.linear import Linear
from tenure.nn.over_time import Recurrence


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

    def over_time(self, inputs: Any, state: Any) -> Recurrence | None:
        """How the core runs over inputs [T, ...] from a state, faster than step by step; None if it does not.

        `dynamic_unroll` asks for it. A subclass with a `__call__` of its own runs step by step.

        Args:
          inputs: a tree of arrays [T, ...].
          state: the state before the first step.
        """
        return None


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

    def __init__(
        self,
        hidden_size: int,
        double_bias: bool = True,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
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

    @name_like("__call__")
    def over_time(self, inputs: jax.Array, state: Any) -> Recurrence | None:
        """See `RNNCore.over_time`."""
        if type(self).__call__ is not VanillaRNN.__call__:
            return None
        from_input = Linear(self.hidden_size)
        from_state = Linear(self.hidden_size, with_bias=self.double_bias)
        w, b = from_input.weights(inputs.shape[-1], inputs.dtype)
        u, c = from_state.weights(self.hidden_size, inputs.dtype)

        def plain(params: Any, x: jax.Array, h: jax.Array) -> tuple[jax.Array, jax.Array]:
            w, b, u, c = params
            h = jax.nn.relu(affine(x, w, b) + affine(h, u, c))
            return h, h

        def step(product: Product, params: Any, x: jax.Array, h: jax.Array) -> tuple[jax.Array, jax.Array]:
            h = jax.nn.relu(x + product("u", h))
            return h, h

        def transform(params: Any, xs: jax.Array) -> jax.Array:
            w, b, _, c = params
            return affine(xs, w, b if c is None else b + c)

        return Recurrence((w, b, u, c), plain, transform, lambda params: {"u": params[2]}, step)

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
    return LSTMState(*lstm(gates, cell, order=GATES["haiku"], forget_bias=forget_bias))


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

    def __init__(
        self,
        hidden_size: int,
        name: str | None = None,
        *,
        forget_bias: float = 1,
        share: Share = None,
        stages: Stages = None,
    ):
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
        gates = with_names(Linear(4 * self.hidden_size), "inputs", "gates")(jnp.concatenate([x, state.hidden], axis=-1))
        new = lstm_update(gates, state.cell, self.forget_bias)
        return new.hidden, new

    @name_like("__call__")
    def over_time(self, inputs: jax.Array, state: Any) -> Recurrence | None:
        """See `RNNCore.over_time`."""
        if type(self).__call__ is not LSTM.__call__ or inputs.ndim not in (2, 3):
            return None
        size = inputs.shape[-1]
        weights = with_names(Linear(4 * self.hidden_size), "inputs", "gates").weights(
            size + self.hidden_size, inputs.dtype
        )

        def plain(params: Any, x: jax.Array, state: LSTMState) -> tuple[LSTMState, jax.Array]:
            new = lstm_update(
                affine(jnp.concatenate([x, state.hidden], axis=-1), *params), state.cell, self.forget_bias
            )
            return new, new.hidden

        def step(product: Product, _: Any, x: jax.Array, state: LSTMState) -> tuple[LSTMState, jax.Array]:
            new = lstm_update(x + product("h", state.hidden), state.cell, self.forget_bias)
            return new, new.hidden

        def transform(params: Any, xs: jax.Array) -> jax.Array:
            return affine(xs, params[0][:size], params[1])

        return Recurrence(weights, plain, transform, lambda params: {"h": params[0][size:]}, step)

    def initial_state(self, batch_size: int | None) -> LSTMState:
        """Zeros [hidden] or [B, hidden]."""
        return LSTMState(*(zeros((self.hidden_size,), batch_size) for _ in range(2)))


class GRU(RNNCore):
    """`h' = (1 - z) h + z tanh(W x + U (r h) + b)`, where z and r are sigmoids of affine maps of x and h.

    Owns `w_i` [inputs, 3 * hidden], `w_h` [hidden, 3 * hidden] and `b`, each of them for z, r and the candidate.

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
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes a core with so many units; the weights are by default initialised by `VarianceScaling()`.

        Args:
          hidden_size: the number of units.
          w_i_init, w_h_init: of the weights of inputs and of the state.
          b_init: by default zeros.
          name: of the module.
        """
        super().__init__(name=name)
        self.hidden_size = hidden_size
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
        new = _gru_step(self._weights(x), x, h)
        return new, new

    @transparent
    def _weights(self, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        size = self.hidden_size
        w_i = get_parameter("w_i", (x.shape[-1], 3 * size), x.dtype, self.w_i_init, axes=named("inputs", "gates"))
        w_h = get_parameter("w_h", (size, 3 * size), x.dtype, self.w_h_init, axes=named("hidden", "gates"))
        return w_i, w_h, get_parameter("b", (3 * size,), x.dtype, self.b_init, axes=named("gates"))

    def over_time(self, inputs: jax.Array, state: Any) -> Recurrence | None:
        """See `RNNCore.over_time`."""
        if type(self).__call__ is not GRU.__call__ or inputs.ndim not in (2, 3):
            return None

        def plain(params: Any, x: jax.Array, h: jax.Array) -> tuple[jax.Array, jax.Array]:
            new = _gru_step(params, x, h)
            return new, new

        def step(product: Product, params: Any, x: jax.Array, h: jax.Array) -> tuple[jax.Array, jax.Array]:
            new = gru(x, h, product, order="ur", update_keeps=False)
            return new, new

        def transform(params: Any, xs: jax.Array) -> jax.Array:
            return affine(xs, params[0], params[2])

        return Recurrence(self._weights(inputs), plain, transform, lambda params: _gru_matrices(params[1]), step)

    def initial_state(self, batch_size: int | None) -> jax.Array:
        """Zeros [hidden] or [B, hidden]."""
        return zeros((self.hidden_size,), batch_size)


class ResetAfterGRU(GRU):
    """`h' = (1 - z) h + z tanh(W x + b + r (U h + c))`: cuDNN's, PyTorch's and Keras's GRU, whose `b_h` holds c.

    PyTorch and Keras call `1 - z` what is z here.

    Source: Cho et al. 2014, https://arxiv.org/abs/1406.1078, with the reset gate after the matrix.

    >>> import tenure as tn
    >>> def step(x):
    ...     core = ResetAfterGRU(3)
    ...     return core(x, core.initial_state(len(x)))
    >>> jax.tree.map(jnp.shape, tn.transform(step).init(jax.random.key(0), jnp.ones((2, 4))))
    {'reset_after_gru': {'b': (9,), 'b_h': (9,), 'w_h': (3, 9), 'w_i': (4, 9)}}
    """

    def __call__(self, inputs: jax.Array, state: jax.Array) -> tuple[jax.Array, jax.Array]:
        """One step from [..., inputs] and [..., hidden] to [..., hidden], twice."""
        x, h = jnp.asarray(inputs), jnp.asarray(state)
        w_i, w_h, b, b_h = self._all_weights(x)
        new = gru_reset_after(affine(x, w_i, b), affine(h, w_h, b_h), h)
        return new, new

    @transparent
    def _all_weights(self, x: jax.Array) -> tuple[jax.Array, ...]:
        weights = self._weights(x)
        return (*weights, get_parameter("b_h", (3 * self.hidden_size,), x.dtype, self.b_init, axes=named("gates")))

    def over_time(self, inputs: jax.Array, state: Any) -> Recurrence | None:
        """See `RNNCore.over_time`."""
        if type(self).__call__ is not ResetAfterGRU.__call__:
            return None

        def plain(params: Any, x: jax.Array, h: jax.Array) -> tuple[jax.Array, jax.Array]:
            w_i, w_h, b, b_h = params
            new = gru_reset_after(affine(x, w_i, b), affine(h, w_h, b_h), h)
            return new, new

        def step(product: Product, params: Any, x: jax.Array, h: jax.Array) -> tuple[jax.Array, jax.Array]:
            new = gru_reset_after(x, product("h", h) + params[3], h)
            return new, new

        def transform(params: Any, xs: jax.Array) -> jax.Array:
            return affine(xs, params[0], params[2])

        return Recurrence(self._all_weights(inputs), plain, transform, lambda params: {"h": params[1]}, step)


def _gru_matrices(w_h: jax.Array) -> dict[str, jax.Array]:
    """The matrices of both gates and of the candidate, of `w_h` [hidden, 3 * hidden]."""
    gates, candidate = jnp.split(w_h, [2 * w_h.shape[0]], axis=1)
    return {"gates": gates, "candidate": candidate}


def _gru_step(params: tuple[jax.Array, jax.Array, jax.Array], x: jax.Array, h: jax.Array) -> jax.Array:
    """One step of a `GRU` with `w_i`, `w_h` and `b`."""
    w_i, w_h, b = params
    matrices = _gru_matrices(w_h)

    def product(name: str, h: jax.Array) -> jax.Array:
        return jnp.matmul(h, matrices[name])

    return gru(jnp.matmul(x, w_i), h, product, bias=b, order="ur", update_keeps=False)
