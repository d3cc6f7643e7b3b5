"""Batch norm."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from tenure.core.run.frame import is_training as mode_of_training
from tenure.core.run.module import Module, Share, Stages
from tenure.core.run.naming import transparent
from tenure.core.run.parameters import get_parameter
from tenure.functional import normalised
from tenure.initializers import Initializer
from tenure.nn.axes import get_channel_index
from tenure.nn.axis_names import along_channels
from tenure.nn.moving_averages import ExponentialMovingAverage
from tenure.nn.norm import check_creates


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
        *,
        share: Share = None,
        stages: Stages = None,
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
        is_training: bool | None = None,
        test_local_stats: bool = False,
        scale: jax.Array | None = None,
        offset: jax.Array | None = None,
    ) -> jax.Array:
        """Normalises a batch.

        Args:
          inputs: an array that has channels.
          is_training: whether to use the batch's statistics, and to update the running averages with them; as the
            mode of the run says (`tn.training`, `tn.evaluation`) if None.
          test_local_stats: whether to use the batch's statistics also where `is_training=False`.
          scale, offset: arrays that broadcast to the input, where the module does not create its own.

        Raises:
          ValueError: a scale or an offset is given and also created.
        """
        check_creates(self.create_scale, self.create_offset, scale, offset, "scale")
        is_training = mode_of_training(is_training, "nn.BatchNorm")
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
            scale = get_parameter("scale", shape, inputs.dtype, self.scale_init, axes=along_channels(shape, "norm"))
        if self.create_offset:
            offset = get_parameter("offset", shape, inputs.dtype, self.offset_init, axes=along_channels(shape, "norm"))
        one, zero = np.ones([], inputs.dtype), np.zeros([], inputs.dtype)
        factor, shift = one if scale is None else scale, zero if offset is None else offset
        return normalised(inputs, mean, variance, self.eps, factor, shift)

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
