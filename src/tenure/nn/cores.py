"""Cores that are made of other cores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run.module import Share, Stages
from tenure.core.run.naming import transparent
from tenure.nn.over_time import Recurrence
from tenure.nn.recurrent import RNNCore


class IdentityCore(RNNCore):
    """A core that returns its input, and has no state.

    >>> import tenure as tn
    >>> tn.transform(lambda x: IdentityCore()(x, ())).apply({}, None, 3)
    (3, ())
    """

    def __call__(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """The input and the state."""
        return inputs, state

    def initial_state(self, batch_size: int | None) -> tuple[()]:
        """Nothing."""
        return ()


class ResetCore(RNNCore):
    """A core whose state goes back to the initial one where the input says so.

    >>> import tenure as tn
    >>> from tenure import nn
    >>> def run(xs, resets):
    ...     core = ResetCore(nn.VanillaRNN(1))
    ...     return nn.dynamic_unroll(core, (xs, resets), core.initial_state(1))[0].ravel()
    >>> model = tn.transform(run)
    >>> xs, resets = jnp.ones((4, 1, 1)), jnp.array([[False], [False], [True], [False]])
    >>> params = jax.tree.map(jnp.ones_like, model.init(jax.random.key(0), xs, resets))
    >>> model.apply(params, None, xs, resets)
    Array([3., 6., 3., 6.], dtype=float32)
    """

    def __init__(self, core: RNNCore, name: str | None = None, *, share: Share = None, stages: Stages = None):
        super().__init__(name=name)
        self.core = core

    def __call__(self, inputs: tuple[Any, Any], state: Any) -> tuple[Any, Any]:
        """One step of the core.

        Args:
          inputs: the core's input, and where to reset: booleans [B] (or any other first axes of all parts of the
            state), or one such array for each part of the state.
          state: the core's.

        Raises:
          ValueError: the booleans' shape is not how the state's begins.
        """
        inputs, should_reset = jax.tree.map(jnp.asarray, inputs)
        state = jax.tree.map(jnp.asarray, state)
        batch_size = jax.tree.leaves(inputs)[0].shape[0] if self._is_batched(state) else None
        return self.core(inputs, _reset(should_reset, self.initial_state(batch_size), state))

    def over_time(self, inputs: tuple[Any, Any], state: Any) -> Recurrence | None:
        """See `RNNCore.over_time`: what the core inside has, with the resets before each step."""
        inner = self.core.over_time(inputs[0], state) if type(self).__call__ is ResetCore.__call__ else None
        if inner is None:
            return None
        plain, transform, matrices, step = inner.plain, inner.transform, inner.matrices, inner.step
        batch_size = jax.tree.leaves(inputs)[0].shape[1] if self._is_batched(state) else None

        return Recurrence(
            (inner.params, self.initial_state(batch_size)),
            lambda params, x, state: plain(params[0], x[0], _reset(x[1], params[1], state)),
            lambda params, xs: (transform(params[0], xs[0]), xs[1]),
            lambda params: matrices(params[0]),
            lambda product, params, x, state: step(product, params[0], x[0], _reset(x[1], params[1], state)),
            inner.bilinear,
        )

    def initial_state(self, batch_size: int | None) -> Any:
        """The core's."""
        return self.core.initial_state(batch_size)

    @transparent
    def _is_batched(self, state: Any) -> bool:
        one = jax.tree.leaves(self.initial_state(batch_size=1))
        return bool(one) and all(a.shape[1:] == b.shape[1:] for a, b in zip(one, jax.tree.leaves(state), strict=True))


def _reset(should_reset: Any, fresh: Any, state: Any) -> Any:
    """The state, or the fresh one where `should_reset` says so, which is one array or has the state's structure."""
    if jax.tree_util.treedef_is_leaf(jax.tree.structure(should_reset)):
        should_reset = jax.tree.map(lambda _: should_reset, state)
    should_reset = jax.tree.map(_with_axes_of, should_reset, state)
    fresh = jax.tree.map(lambda new, old: new.astype(old.dtype), fresh, state)
    return jax.tree.map(jnp.where, should_reset, fresh, state)


def _with_axes_of(should_reset: jax.Array, state: jax.Array) -> jax.Array:
    """The booleans with axes of size 1 behind theirs."""
    if should_reset.shape != state.shape[: should_reset.ndim]:
        raise ValueError(f"where to reset is {should_reset.shape}, which is not how the state's {state.shape} begins")
    return should_reset.reshape(should_reset.shape + (1,) * (state.ndim - should_reset.ndim))


class _DeepRNN(RNNCore):
    """Layers one after the other, some of which are cores."""

    def __init__(
        self,
        layers: Sequence[Any],
        skip_connections: bool,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        super().__init__(name=name)
        self.layers = layers
        self.skip_connections = skip_connections
        if skip_connections and not all(isinstance(layer, RNNCore) for layer in layers):
            raise ValueError(
                f"skip_connections requires all layers to be cores, and not all of these are: {list(layers)}"
            )

    def __call__(self, inputs: Any, state: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        x, states, outputs, next_states = inputs, iter(state), [], []
        for i, layer in enumerate(self.layers):
            if self.skip_connections and i > 0:
                x = jax.tree.map(_concatenate, inputs, x, is_leaf=lambda leaf: leaf is None)
            if isinstance(layer, RNNCore):
                x, next_state = layer(x, next(states))
                outputs.append(x)
                next_states.append(next_state)
            else:
                x = layer(x)
        if self.skip_connections:
            x = jax.tree.map(_concatenate, *outputs)
        return x, tuple(next_states)

    def initial_state(self, batch_size: int | None) -> tuple[Any, ...]:
        return tuple(layer.initial_state(batch_size) for layer in self.layers if isinstance(layer, RNNCore))


def _concatenate(*parts: Any) -> Any:
    return None if parts[0] is None else jnp.concatenate(parts, axis=-1)


class DeepRNN(_DeepRNN):
    """Cores and other layers, one after the other, as one core. Its state is a tuple with one entry for each core.

    >>> import tenure as tn
    >>> from tenure import nn
    >>> def step(x):
    ...     core = nn.DeepRNN([nn.LSTM(4), jax.nn.relu, nn.GRU(3)])
    ...     return core(x, core.initial_state(len(x)))
    >>> out, (lstm, gru) = tn.transform(step).plan(jnp.ones((2, 5))).out
    >>> out.shape, lstm.cell.shape, gru.shape
    ((2, 3), (2, 4), (2, 3))
    """

    def __init__(self, layers: Sequence[Any], name: str | None = None, *, share: Share = None, stages: Stages = None):
        super().__init__(layers, skip_connections=False, name=name)


def deep_rnn_with_skip_connections(layers: Sequence[RNNCore], name: str | None = None) -> RNNCore:
    """Cores one after the other: each also sees the input, and the output has the outputs of all.

    Raises:
      ValueError: a layer is not a core.

    >>> import tenure as tn
    >>> from tenure import nn
    >>> def step(x):
    ...     core = nn.deep_rnn_with_skip_connections([nn.LSTM(4), nn.GRU(3)])
    ...     return core(x, core.initial_state(len(x)))[0]
    >>> tn.transform(step).plan(jnp.ones((2, 5))).out.shape
    (2, 7)
    """
    return _DeepRNN(layers, skip_connections=True, name=name)
