"""LSTMs over images and the like."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from tenure.core.run.module import Share, Stages
from tenure.core.run.naming import name_like, transparent
from tenure.functional.recurrence import Product
from tenure.nn.conv import ConvND, Sizes
from tenure.nn.over_time import Recurrence
from tenure.nn.recurrent import LSTMState, RNNCore, lstm_update, zeros


class ConvNDLSTM(RNNCore):
    """An `LSTM` whose maps are convolutions: `input_to_hidden` of the input, `hidden_to_hidden` of the last output.

    Source: Shi et al. 2015, https://arxiv.org/abs/1506.04214, without peepholes.

    >>> import tenure as tn
    >>> def step(x):
    ...     core = ConvNDLSTM(2, (8, 8), output_channels=5, kernel_shape=3)
    ...     return core(x, core.initial_state(len(x)))[0]
    >>> tn.transform(step).plan(jnp.ones((2, 8, 8, 3))).out.shape
    (2, 8, 8, 5)
    """

    def __init__(
        self,
        num_spatial_dims: int,
        input_shape: Sequence[int],
        output_channels: int,
        kernel_shape: Sizes,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the core.

        Args:
          num_spatial_dims: the number of spatial axes.
          input_shape: their sizes.
          output_channels: the number of outputs.
          kernel_shape: the kernel's size: one number, or one for each spatial axis.
          name: of the module.
        """
        super().__init__(name=name)
        self.num_spatial_dims = num_spatial_dims
        self.input_shape = tuple(input_shape)
        self.output_channels = output_channels
        self.kernel_shape = kernel_shape

    def __call__(self, inputs: jax.Array, state: LSTMState) -> tuple[jax.Array, LSTMState]:
        """One step from [B, *spatial, inputs] to [B, *spatial, outputs], or the same without B."""
        state = jax.tree.map(jnp.asarray, state)
        from_input, from_state = self._maps()
        new = lstm_update(from_input(jnp.asarray(inputs)) + from_state(state.hidden), state.cell)
        return new.hidden, new

    @transparent
    def _maps(self) -> tuple[ConvND, ConvND]:
        """The convolutions of the input and of the last output."""
        first, second = (
            ConvND(self.num_spatial_dims, 4 * self.output_channels, self.kernel_shape, name=name)
            for name in ("input_to_hidden", "hidden_to_hidden")
        )
        return first, second

    @name_like("__call__")
    def over_time(self, inputs: jax.Array, state: LSTMState) -> Recurrence | None:
        """See `RNNCore.over_time`."""
        if type(self).__call__ is not ConvNDLSTM.__call__ or inputs.ndim != self.num_spatial_dims + 3:
            return None
        from_input, from_state = self._maps()
        of_input = from_input.weights(inputs.shape[-1], inputs.dtype)
        of_state = from_state.weights(self.output_channels, inputs.dtype)

        def plain(params: Any, x: jax.Array, state: LSTMState) -> tuple[LSTMState, jax.Array]:
            sums = (layer.convolved(a, *p) for layer, a, p in zip(maps, (x, state.hidden), params, strict=True))
            new = lstm_update(functools.reduce(jnp.add, sums), state.cell)
            return new, new.hidden

        def step(product: Product, params: Any, x: jax.Array, state: LSTMState) -> tuple[LSTMState, jax.Array]:
            bias = params[1][1]
            new = lstm_update(x + (product("h", state.hidden) + bias), state.cell)
            return new, new.hidden

        def transform(params: Any, xs: jax.Array) -> jax.Array:
            merged = xs.reshape(xs.shape[0] * xs.shape[1], *xs.shape[2:])
            sums = from_input.convolved(merged, *params[0])
            return sums.reshape(*xs.shape[:2], *sums.shape[1:])

        maps = (from_input, from_state)
        matrices = lambda params: {"h": params[1][0]}  # noqa: E731
        return Recurrence((of_input, of_state), plain, transform, matrices, step, from_state.convolved)

    def initial_state(self, batch_size: int | None) -> LSTMState:
        """Zeros of the output's shape."""
        shape = (*self.input_shape, self.output_channels)
        return LSTMState(*(zeros(shape, batch_size) for _ in range(2)))


class _OfAxes(ConvNDLSTM):
    """`ConvNDLSTM` over as many spatial axes as the class says."""

    axes: ClassVar[int]

    def __init__(
        self,
        input_shape: Sequence[int],
        output_channels: int,
        kernel_shape: Sizes,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the core; see `ConvNDLSTM`.

        Args:
          input_shape: the sizes of the spatial axes.
          output_channels: the number of channels that come out.
          kernel_shape: the kernel's size: one number, or one for each spatial axis.
          name: of the module.
        """
        super().__init__(self.axes, input_shape, output_channels, kernel_shape, name)


class Conv1DLSTM(_OfAxes):
    """`ConvNDLSTM` along one axis.

    >>> import tenure as tn
    >>> def step(x):
    ...     core = Conv1DLSTM((8,), 5, 3)
    ...     return core(x, core.initial_state(len(x)))[0]
    >>> tn.transform(step).plan(jnp.ones((2, 8, 3))).out.shape
    (2, 8, 5)
    """

    axes = 1


class Conv2DLSTM(_OfAxes):
    """`ConvNDLSTM` over images.

    >>> import tenure as tn
    >>> def step(x):
    ...     core = Conv2DLSTM((8, 8), 5, 3)
    ...     return core(x, core.initial_state(len(x)))[0]
    >>> tn.transform(step).plan(jnp.ones((2, 8, 8, 3))).out.shape
    (2, 8, 8, 5)
    """

    axes = 2


class Conv3DLSTM(_OfAxes):
    """`ConvNDLSTM` over volumes.

    >>> import tenure as tn
    >>> def step(x):
    ...     core = Conv3DLSTM((4, 4, 4), 5, 3)
    ...     return core(x, core.initial_state(len(x)))[0]
    >>> tn.transform(step).plan(jnp.ones((2, 4, 4, 4, 3))).out.shape
    (2, 4, 4, 4, 5)
    """

    axes = 3
