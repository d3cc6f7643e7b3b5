"""Depthwise convolutions: each channel has kernels of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run.module import Module, Share, Stages
from tenure.core.run.parameters import get_parameter
from tenure.core.run.profile import reproduces
from tenure.functional import convolve
from tenure.initializers import Initializer
from tenure.nn import padding as pad
from tenure.nn.axes import get_channel_index
from tenure.nn.axis_names import named
from tenure.nn.conv import Sizes, dimension_numbers, kernel_init, with_bias


class DepthwiseConvND(Module):
    """Depthwise convolution over any number of spatial axes.

    Owns `w` [*kernel, 1, channels * channel_multiplier] and, unless `with_bias=False`, `b`.
    """

    def __init__(
        self,
        channel_multiplier: int,
        kernel_shape: Sizes,
        num_spatial_dims: int,
        data_format: str,
        stride: Sizes = 1,
        rate: Sizes = 1,
        padding: str | Sequence[tuple[int, int]] = "SAME",
        with_bias: bool = True,
        w_init: Initializer | None = None,
        b_init: Initializer | None = None,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the convolution. Sizes are one number, or one for each spatial axis.

        Args:
          channel_multiplier: the number of outputs of each channel.
          kernel_shape: the kernel's size.
          num_spatial_dims: the number of spatial axes.
          data_format: where the channels are; see `get_channel_index`.
          stride: how far apart outputs are, counted in inputs.
          rate: how far apart the inputs of one output are.
          padding: "SAME" or "VALID", or pairs (before, after).
          with_bias: whether to add `b`.
          w_init: by default a truncated normal distribution with standard deviation `kernel ** -0.5`.
          b_init: by default zeros.
          name: of the module.
        """
        super().__init__(name=name)
        self.num_spatial_dims = num_spatial_dims
        self.kernel_shape = pad.replicate(kernel_shape, num_spatial_dims, "kernel_shape")
        self.lhs_dilation = (1,) * num_spatial_dims
        self.rhs_dilation = pad.replicate(rate, num_spatial_dims, "rhs_dilation")
        self.channel_multiplier = channel_multiplier
        self.padding = padding
        self.stride = pad.replicate(stride, num_spatial_dims, "strides")
        self.data_format = data_format
        self.channel_index = get_channel_index(data_format)
        self.dn = dimension_numbers(num_spatial_dims, self.channel_index, transpose=False)
        self.with_bias = with_bias
        self.w_init = w_init
        self.b_init = b_init or jnp.zeros

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Maps [N, *spatial, C] to [N, *spatial, C * channel_multiplier]."""
        channels = inputs.shape[self.channel_index]
        shape = (*self.kernel_shape, 1, self.channel_multiplier * channels)
        axes = named(*(None,) * (self.num_spatial_dims + 1), "out_channels")
        w = get_parameter("w", shape, inputs.dtype, kernel_init(self.w_init, math.prod(shape[:-1])), axes=axes)
        y = convolve(
            inputs,
            w,
            self.stride,
            self.padding,
            split=not reproduces(),
            lhs_dilation=self.lhs_dilation,
            rhs_dilation=self.rhs_dilation,
            dimension_numbers=self.dn,
            feature_group_count=channels,
        )
        return with_bias(y, self.channel_index, self.b_init, inputs.dtype) if self.with_bias else y


class DepthwiseConv1D(DepthwiseConvND):
    """Depthwise convolution over one spatial axis.

    >>> import tenure as tn
    >>> model = tn.transform(lambda x: DepthwiseConv1D(channel_multiplier=2, kernel_shape=3)(x))
    >>> model.apply(model.init(jax.random.key(0), jnp.ones((1, 8, 3))), None, jnp.ones((1, 8, 3))).shape
    (1, 8, 6)
    """

    def __init__(
        self,
        channel_multiplier: int,
        kernel_shape: Sizes,
        stride: Sizes = 1,
        rate: Sizes = 1,
        padding: str | Sequence[tuple[int, int]] = "SAME",
        with_bias: bool = True,
        w_init: Initializer | None = None,
        b_init: Initializer | None = None,
        data_format: str = "NWC",
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the convolution; see `DepthwiseConvND`."""
        super().__init__(
            channel_multiplier, kernel_shape, 1, data_format, stride, rate, padding, with_bias, w_init, b_init, name
        )


class DepthwiseConv2D(DepthwiseConvND):
    """Depthwise convolution over two spatial axes.

    >>> import tenure as tn
    >>> model = tn.transform(lambda x: DepthwiseConv2D(channel_multiplier=2, kernel_shape=3)(x))
    >>> model.apply(model.init(jax.random.key(0), jnp.ones((1, 8, 8, 3))), None, jnp.ones((1, 8, 8, 3))).shape
    (1, 8, 8, 6)
    """

    def __init__(
        self,
        channel_multiplier: int,
        kernel_shape: Sizes,
        stride: Sizes = 1,
        rate: Sizes = 1,
        padding: str | Sequence[tuple[int, int]] = "SAME",
        with_bias: bool = True,
        w_init: Initializer | None = None,
        b_init: Initializer | None = None,
        data_format: str = "NHWC",
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the convolution; see `DepthwiseConvND`."""
        super().__init__(
            channel_multiplier, kernel_shape, 2, data_format, stride, rate, padding, with_bias, w_init, b_init, name
        )


class DepthwiseConv3D(DepthwiseConvND):
    """Depthwise convolution over three spatial axes.

    >>> import tenure as tn
    >>> model = tn.transform(lambda x: DepthwiseConv3D(channel_multiplier=2, kernel_shape=3)(x))
    >>> model.apply(model.init(jax.random.key(0), jnp.ones((1, 4, 4, 4, 3))), None, jnp.ones((1, 4, 4, 4, 3))).shape
    (1, 4, 4, 4, 6)
    """

    def __init__(
        self,
        channel_multiplier: int,
        kernel_shape: Sizes,
        stride: Sizes = 1,
        rate: Sizes = 1,
        padding: str | Sequence[tuple[int, int]] = "SAME",
        with_bias: bool = True,
        w_init: Initializer | None = None,
        b_init: Initializer | None = None,
        data_format: str = "NDHWC",
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the convolution; see `DepthwiseConvND`."""
        super().__init__(
            channel_multiplier, kernel_shape, 3, data_format, stride, rate, padding, with_bias, w_init, b_init, name
        )


class SeparableDepthwiseConv2D(Module):
    """A depthwise convolution along the rows, then one along the columns.

    >>> import tenure as tn
    >>> model = tn.transform(lambda x: SeparableDepthwiseConv2D(channel_multiplier=2, kernel_shape=3)(x))
    >>> params = model.init(jax.random.key(0), jnp.ones((1, 8, 8, 3)))
    >>> [(name, bundle["w"].shape) for name, bundle in params.items()][0]
    ('separable_depthwise_conv2_d/~/depthwise_conv2_d', (3, 1, 1, 6))
    """

    def __init__(
        self,
        channel_multiplier: int,
        kernel_shape: Sizes,
        stride: Sizes = 1,
        padding: str | Sequence[tuple[int, int]] = "SAME",
        with_bias: bool = True,
        w_init: Initializer | None = None,
        b_init: Initializer | None = None,
        data_format: str = "NHWC",
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes both convolutions; see `DepthwiseConvND`. The second adds the bias, the first has the stride."""
        super().__init__(name=name)
        rows, columns = pad.replicate(kernel_shape, 2, "kernel_shape")
        common: dict[str, Any] = dict(padding=padding, w_init=w_init, b_init=b_init, data_format=data_format)
        self._conv1 = DepthwiseConv2D(channel_multiplier, [rows, 1], stride=stride, with_bias=False, **common)
        self._conv2 = DepthwiseConv2D(1, [1, columns], with_bias=with_bias, **common)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Maps [N, H, W, C] to [N, H, W, C * channel_multiplier]."""
        return self._conv2(self._conv1(inputs))
