"""Batch norm, and the running averages that it keeps."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.module import Module
from tenure.core.naming import transparent
from tenure.core.slots import get_parameter
from tenure.core.state import get_state, set_state
from tenure.initializers import Constant, Initializer
from tenure.nn.axes import get_channel_index
from tenure.nn.norm import check_creates


class ExponentialMovingAverage(Module):
    """A running average `hidden ← decay · hidden + (1 - decay) · value`.

    Keeps the states `counter`, `hidden` and `average`. With `zero_debias`, `average = hidden / (1 - decay ** counter)`,
    which takes away the pull towards the zero that `hidden` starts from.

    Source: Kingma & Ba 2014, section 3, https://arxiv.org/abs/1412.6980.

    >>> import tenure as tn
    >>> model = tn.transform_with_state(lambda x: ExponentialMovingAverage(0.5)(x))
    >>> params, state = model.init(None, 4.0)
    >>> average, state = model.apply(params, state, None, 4.0)
    >>> average, state = model.apply(params, state, None, 1.0)
    >>> average
    Array(2., dtype=float32)
    """

    def __init__(self, decay: Any, zero_debias: bool = True, warmup_length: int = 0, name: str | None = None):
        """Describes the average.

        Args:
          decay: in [0, 1); the closer to 1, the longer the average remembers.
          zero_debias: see above.
          warmup_length: how many values only replace the one before.
          name: of the module.

        Raises:
          ValueError: a negative warm-up, or one together with `zero_debias`.
        """
        super().__init__(name=name)
        if warmup_length < 0:
            raise ValueError(f"warmup_length counts calls and cannot be negative: {warmup_length}")
        if warmup_length and zero_debias:
            raise ValueError("after a warm-up the average does not start from zero: set zero_debias=False")
        self.decay = decay
        self.zero_debias = zero_debias
        self.warmup_length = warmup_length

    def initialize(self, shape: Any, dtype: Any = jnp.float32) -> None:
        """Makes the average zeros of that shape, if there is none."""
        if hasattr(shape, "shape"):
            warnings.warn(
                "initialize takes a shape and a dtype, not a value", category=DeprecationWarning, stacklevel=2
            )
            shape, dtype = shape.shape, shape.dtype
        get_state("hidden", shape, dtype, init=jnp.zeros)
        get_state("average", shape, dtype, init=jnp.zeros)

    def prepare(self, shape: Any, dtype: Any = jnp.float32) -> None:
        """As `initialize`, and the counter too: all that a later call needs."""
        get_state("counter", (), jnp.int32, init=Constant(-self.warmup_length))
        get_state("hidden", shape, dtype, init=jnp.zeros)
        get_state("average", shape, dtype, init=jnp.zeros)

    def __call__(self, value: Any, update_stats: bool = True) -> jax.Array:
        """Returns the average with `value` in it, and keeps it unless `update_stats=False`."""
        value = value if isinstance(value, jax.Array) else jnp.asarray(value)
        counter = get_state("counter", (), jnp.int32, init=Constant(-self.warmup_length)) + 1
        decay = jax.lax.convert_element_type(self.decay, value.dtype)
        if self.warmup_length > 0:
            decay = jax.lax.select(counter <= 0, jnp.zeros_like(decay), decay)
        one = jnp.ones([], value.dtype)
        hidden = get_state("hidden", value.shape, value.dtype, init=jnp.zeros)
        hidden = hidden * decay + value * (one - decay)
        average = hidden / (one - jnp.power(decay, counter)) if self.zero_debias else hidden
        if update_stats:
            set_state("counter", counter)
            set_state("hidden", hidden)
            set_state("average", average)
        return average

    @property
    def average(self) -> jax.Array:
        """The average after the last call."""
        return get_state("average")


class BatchNorm(Module):
    """Subtracts the batch's mean and divides by its standard deviation, then scales and shifts.

    Keeps running averages of both, in the modules `mean_ema` and `var_ema`, for use where `is_training=False`.
    Owns `scale` and `offset`, if it creates them, with size 1 along the axes that it averages over.

    Source: Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167.

    >>> import tenure as tn
    >>> model = tn.transform_with_state(lambda x, training: BatchNorm(True, True, 0.9)(x, training))
    >>> x = jnp.array([[1.0], [3.0]])
    >>> params, state = model.init(None, x, True)
    >>> out, state = model.apply(params, state, None, x, True)
    >>> out.round(3).tolist(), state["batch_norm/~/mean_ema"]["average"].tolist()
    ([[-1.0], [1.0]], [[2.0]])
    """

    def __init__(
        self,
        create_scale: bool,
        create_offset: bool,
        decay_rate: float,
        eps: float = 1e-5,
        scale_init: Initializer | None = None,
        offset_init: Initializer | None = None,
        axis: Sequence[int] | None = None,
        cross_replica_axis: str | Sequence[str] | None = None,
        cross_replica_axis_index_groups: Sequence[Sequence[int]] | None = None,
        data_format: str = "channels_last",
        name: str | None = None,
    ):
        """Describes the norm.

        Args:
          create_scale: whether to own a scale.
          create_offset: whether to own an offset.
          decay_rate: of the running averages.
          eps: is added to the variance.
          scale_init: by default ones.
          offset_init: by default zeros.
          axis: what mean and variance are taken over; None means all axes but the channels.
          cross_replica_axis: a mapped axis, or several, over whose replicas the statistics are averaged too.
          cross_replica_axis_index_groups: which replicas of that axis belong together.
          data_format: where the channels are; see `get_channel_index`.
          name: of the module.

        Raises:
          ValueError: an initialiser for what is not created, or groups of an axis that is not named.
        """
        super().__init__(name=name)
        check_creates(create_scale, create_offset, scale_init, offset_init, "scale_init")
        if cross_replica_axis is None and cross_replica_axis_index_groups is not None:
            raise ValueError("cross_replica_axis_index_groups are groups of a cross_replica_axis, which is not given")
        self.create_scale = create_scale
        self.create_offset = create_offset
        self.eps = eps
        self.scale_init = scale_init or jnp.ones
        self.offset_init = offset_init or jnp.zeros
        self.axis = axis
        self.cross_replica_axis = cross_replica_axis
        self.cross_replica_axis_index_groups = cross_replica_axis_index_groups
        self.channel_index = get_channel_index(data_format)
        self.mean_ema = ExponentialMovingAverage(decay_rate, name="mean_ema")
        self.var_ema = ExponentialMovingAverage(decay_rate, name="var_ema")

    def __call__(
        self,
        inputs: jax.Array,
        is_training: bool,
        test_local_stats: bool = False,
        scale: jax.Array | None = None,
        offset: jax.Array | None = None,
    ) -> jax.Array:
        """Normalises a batch.

        Args:
          inputs: an array that has channels.
          is_training: whether to use the batch's statistics, and to update the running averages with them.
          test_local_stats: whether to use the batch's statistics also where `is_training=False`.
          scale, offset: arrays that broadcast to the input, where the module does not create its own.

        Raises:
          ValueError: a scale or an offset is given and also created.
        """
        check_creates(self.create_scale, self.create_offset, scale, offset, "scale")
        axis = self.axis
        if axis is None:
            axis = [i for i in range(inputs.ndim) if i != self.channel_index % inputs.ndim]
        shape = [1 if i in axis else size for i, size in enumerate(inputs.shape)]
        if is_training or test_local_stats:
            mean, variance = self._batch_statistics(inputs, axis)
        else:
            mean, variance = self._running_statistics(inputs, axis)
        if is_training:
            self.mean_ema(mean)
            self.var_ema(variance)
        if self.create_scale:
            scale = get_parameter("scale", shape, inputs.dtype, self.scale_init)
        if self.create_offset:
            offset = get_parameter("offset", shape, inputs.dtype, self.offset_init)
        scale = np.ones([], inputs.dtype) if scale is None else scale
        offset = np.zeros([], inputs.dtype) if offset is None else offset
        inverse = scale * jax.lax.rsqrt(variance + jax.lax.convert_element_type(self.eps, variance.dtype))
        return (inputs - mean) * inverse + offset

    @transparent
    def _batch_statistics(self, inputs: jax.Array, axis: Sequence[int]) -> tuple[jax.Array, jax.Array]:
        mean = jnp.mean(inputs, axis, keepdims=True)
        mean_square = jnp.mean(jnp.square(inputs), axis, keepdims=True)
        if self.cross_replica_axis:
            groups = self.cross_replica_axis_index_groups
            mean = jax.lax.pmean(mean, self.cross_replica_axis, axis_index_groups=groups)
            mean_square = jax.lax.pmean(mean_square, self.cross_replica_axis, axis_index_groups=groups)
        return mean, mean_square - jnp.square(mean)

    @transparent
    def _running_statistics(self, inputs: jax.Array, axis: Sequence[int]) -> tuple[jax.Array, jax.Array]:
        shape = [1 if i in {a % inputs.ndim for a in axis} else size for i, size in enumerate(inputs.shape)]
        averages = []
        for ema in (self.mean_ema, self.var_ema):
            ema.prepare(shape, inputs.dtype)
            averages.append(ema.average.astype(inputs.dtype))
        return averages[0], averages[1]
