"""Group norm: layer norm over groups of channels."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from tenure.core.run.module import Module, Share, Stages
from tenure.core.run.naming import transparent
from tenure.core.run.parameters import get_parameter
from tenure.core.run.profile import reproduces
from tenure.functional import standardised
from tenure.initializers import Initializer
from tenure.nn.axes import AxisOrAxes, as_axes, get_channel_index
from tenure.nn.axis_names import along_channels
from tenure.nn.norm import check_creates


class GroupNorm(Module):
    """Subtracts the mean and divides by the standard deviation of each group of channels, then scales and shifts.

    Owns `scale` and `offset`, one value for each channel, if it creates them.

    Source: Wu & He 2018, https://arxiv.org/abs/1803.08494.

    >>> import tenure as tn
    >>> model = tn.transform(lambda x: GroupNorm(2)(x))
    >>> params = model.init(None, x := jnp.ones((1, 5, 5, 6)))
    >>> params["group_norm"]["scale"].shape
    (6,)
    """

    def __init__(
        self,
        groups: int,
        axis: AxisOrAxes = slice(1, None),
        create_scale: bool = True,
        create_offset: bool = True,
        eps: float = 1e-5,
        scale_init: Initializer | None = None,
        offset_init: Initializer | None = None,
        data_format: str = "channels_last",
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the norm.

        Args:
          groups: their number, a divisor of the number of channels.
          axis: what mean and variance are taken over, besides the channels of a group; by default all but the batch.
            For sequences [B, T, ..., C], `slice(2, None)` keeps the frames apart.
          create_scale: whether to own a scale.
          create_offset: whether to own an offset.
          eps: is added to the variance.
          scale_init: by default ones.
          offset_init: by default zeros.
          data_format: where the channels are; see `get_channel_index`.
          name: of the module.

        Raises:
          ValueError: an initialiser for what is not created, or `axis` is none.
        """
        super().__init__(name=name)
        check_creates(create_scale, create_offset, scale_init, offset_init, "scale_init")
        self.groups = groups
        self.axis = as_axes(axis)
        self.eps = eps
        self.data_format = data_format
        self.channel_index = get_channel_index(data_format)
        self.create_scale = create_scale
        self.create_offset = create_offset
        self.scale_init = scale_init or jnp.ones
        self.offset_init = offset_init or jnp.zeros
        self.rank: int | None = None

    def __call__(self, x: jax.Array, scale: jax.Array | None = None, offset: jax.Array | None = None) -> jax.Array:
        """Normalises an array that has channels.

        Args:
          x: the array; all calls of one module take the same rank.
          scale, offset: arrays that broadcast to it, where the module does not create its own.

        Raises:
          ValueError: the groups do not divide the channels, the rank changed, or a scale or an offset is given and also
            created.
        """
        check_creates(self.create_scale, self.create_offset, scale, offset, "scale")
        channels = x.shape[self.channel_index]
        if channels % self.groups:
            raise ValueError(
                f"The number of channels must be divisible by the number of groups: {channels} channels, {self.groups} groups"
            )
        if self.rank not in (None, x.ndim):
            raise ValueError(
                f"The rank of the inputs cannot change between calls, the original call had rank {self.rank}, this one has "
                f"{x.ndim}"
            )
        self.rank = x.ndim
        shape = (channels,) if self.channel_index == -1 else (channels,) + (1,) * (x.ndim - 2)
        if self.create_scale:
            scale = get_parameter("scale", shape, x.dtype, self.scale_init, axes=along_channels(shape, "norm"))
        if self.create_offset:
            offset = get_parameter("offset", shape, x.dtype, self.offset_init, axes=along_channels(shape, "norm"))
        y = self._normalised(x)
        if scale is not None:
            y = y * jax.lax.broadcast_to_rank(scale, y.ndim)
        if offset is not None:
            y = y + jax.lax.broadcast_to_rank(offset, y.ndim)
        return y

    @transparent
    def _normalised(self, x: jax.Array) -> jax.Array:
        """Splits the channels' axis in (groups, channels of a group), which shifts the axes behind it by one."""
        first = self.channel_index == 1
        channels = 1 if first else x.ndim - 1
        groups = self.groups, x.shape[channels] // self.groups
        grouped = x.reshape(*x.shape[:channels], *groups, *x.shape[channels + 1 :])
        axes = range(x.ndim)[self.axis] if isinstance(self.axis, slice) else self.axis
        if first:
            axes = tuple(a if a == 0 else a + 1 for a in axes)
        else:
            axes = tuple(a + 1 if a == channels else a for a in axes)
        return standardised(grouped, axes, self.eps, twice=reproduces()).reshape(x.shape)
