"""Convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tenure.core.run.module import Module, Share, Stages
from tenure.core.run.naming import transparent
from tenure.core.run.parameters import get_parameter
from tenure.core.run.profile import reproduces
from tenure.functional import convolve
from tenure.initializers import Initializer, TruncatedNormal
from tenure.nn import padding as pad
from tenure.nn.axes import get_channel_index
from tenure.nn.axis_names import along_channels, named

Sizes = int | Sequence[int]


def dimension_numbers(num_spatial_dims: int, channel_index: int, transpose: bool) -> lax.ConvDimensionNumbers:
    """Which axis is what: in images the channels are where they are, in kernels the last two are [in, out].

    Args:
      num_spatial_dims: the number of spatial axes.
      channel_index: -1 or 1.
      transpose: whether the kernel's last axes are [out, in].
    """
    rank = num_spatial_dims + 2
    spatial = tuple(range(1, rank - 1)) if channel_index == -1 else tuple(range(2, rank))
    image = (0, channel_index % rank, *spatial)
    outputs, inputs = (rank - 2, rank - 1) if transpose else (rank - 1, rank - 2)
    return lax.ConvDimensionNumbers(image, (outputs, inputs, *range(num_spatial_dims)), image)


def as_batch(inputs: Any, num_spatial_dims: int, layer: str) -> tuple[jax.Array, bool]:
    """The input with a batch axis, and whether it lacked one.

    Raises:
      ValueError: it has the wrong number of axes.
    """
    x = jnp.asarray(inputs)
    if x.ndim not in (num_spatial_dims + 1, num_spatial_dims + 2):
        raise ValueError(
            f"Input to {layer} needs to have rank in {[num_spatial_dims + 1, num_spatial_dims + 2]}, but input has shape "
            f"{x.shape}. Its axes are those of space, one for the channels and perhaps one for the batch"
        )
    single = x.ndim == num_spatial_dims + 1
    return (x[None] if single else x), single


def masked(w: jax.Array, mask: Any) -> jax.Array:
    """The kernel times a mask, if there is one.

    Raises:
      ValueError: their shapes differ.
    """
    if mask is None:
        return w
    if mask.shape != w.shape:
        raise ValueError(f"Mask needs to have the same shape as weights. Shapes are: {mask.shape} and {w.shape}")
    return w * mask


def kernel_init(w_init: Initializer | None, inputs: int) -> Initializer:
    """The given initialiser, or the default for a kernel that sums over so many inputs."""
    return TruncatedNormal(1.0 / np.sqrt(inputs)) if w_init is None else w_init


def with_bias(y: jax.Array, channel_index: int, b_init: Initializer, dtype: Any) -> jax.Array:
    """Adds the current module's `b`, one value for each channel."""
    return y + jnp.broadcast_to(_bias(y.shape[channel_index], y.ndim - 2, channel_index, b_init, dtype), y.shape)


def _bias(channels: int, num_spatial_dims: int, channel_index: int, b_init: Initializer, dtype: Any) -> jax.Array:
    """The current module's `b`: [channels], or with an axis of size 1 for each spatial one behind it."""
    shape = (channels,) if channel_index == -1 else (channels,) + (1,) * num_spatial_dims
    return get_parameter("b", shape, dtype, b_init, axes=along_channels(shape, "out_channels"))


class ConvND(Module):
    """Convolution over any number of spatial axes.

    Owns `w` [*kernel, inputs / groups, outputs] and, unless `with_bias=False`, `b` [outputs] (or [outputs, 1, …] if the
    channels come first).

    >>> import tenure as tn
    >>> model = tn.transform(lambda x: ConvND(2, 7, kernel_shape=3, stride=2)(x))
    >>> params = model.init(jax.random.key(0), jnp.ones((1, 8, 8, 3)))
    >>> params["conv_nd"]["w"].shape, model.apply(params, None, jnp.ones((1, 8, 8, 3))).shape
    ((3, 3, 3, 7), (1, 4, 4, 7))
    """

    def __init__(
        self,
        num_spatial_dims: int,
        output_channels: int,
        kernel_shape: Sizes,
        stride: Sizes = 1,
        rate: Sizes = 1,
        padding: pad.Padding = "SAME",
        with_bias: bool = True,
        w_init: Initializer | None = None,
        b_init: Initializer | None = None,
        data_format: str = "channels_last",
        mask: Any = None,
        feature_group_count: int = 1,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the convolution. Sizes are one number, or one for each spatial axis.

        Args:
          num_spatial_dims: the number of spatial axes.
          output_channels: the number of outputs.
          kernel_shape: the kernel's size.
          stride: how far apart outputs are, counted in inputs.
          rate: how far apart the inputs of one output are.
          padding: "SAME" or "VALID", pairs (before, after), or functions of the kernel's extent; see `nn.padding`.
          with_bias: whether to add `b`.
          w_init: by default a truncated normal distribution with standard deviation `(kernel * inputs) ** -0.5`.
          b_init: by default zeros.
          data_format: where the channels are; see `get_channel_index`.
          mask: an array that the kernel is multiplied with.
          feature_group_count: the channels are split in so many groups, each of which has its own outputs.
          name: of the module.

        Raises:
          ValueError: there is no spatial axis.
          TypeError: sizes for another number of axes.
        """
        super().__init__(name=name)
        if num_spatial_dims <= 0:
            raise ValueError(
                f"There are convolution operations for `num_spatial_dims` greater than 0, not {num_spatial_dims}"
            )
        self.num_spatial_dims = num_spatial_dims
        self.output_channels = output_channels
        self.kernel_shape = pad.replicate(kernel_shape, num_spatial_dims, "kernel_shape")
        self.stride = pad.replicate(stride, num_spatial_dims, "stride")
        self.kernel_dilation = pad.replicate(rate, num_spatial_dims, "rate")
        self.with_bias = with_bias
        self.w_init = w_init
        self.b_init = b_init or jnp.zeros
        self.mask = mask
        self.feature_group_count = feature_group_count
        self.data_format = data_format
        self.channel_index = get_channel_index(data_format)
        self.lhs_dilation = (1,) * num_spatial_dims
        self.dimension_numbers = dimension_numbers(num_spatial_dims, self.channel_index, transpose=False)
        self.padding: Any = (
            padding.upper()
            if isinstance(padding, str)
            else pad.create(padding, self.kernel_shape, self.kernel_dilation, num_spatial_dims)
        )

    def __call__(self, inputs: jax.Array, *, precision: lax.PrecisionLike = None) -> jax.Array:
        """Maps [N, *spatial, inputs] to [N, *spatial, outputs], or the same without N.

        Raises:
          ValueError: the wrong number of axes, channels that do not make equal groups, or a mask of another shape.
        """
        x, single = as_batch(inputs, self.num_spatial_dims, "ConvND")
        y = self.convolved(x, self._kernel(x.shape[self.channel_index], x.dtype), precision=precision)
        if self.with_bias:
            y = with_bias(y, self.channel_index, self.b_init, x.dtype)
        return y[0] if single else y

    def weights(self, inputs: int, dtype: Any = jnp.float32) -> tuple[jax.Array, jax.Array | None]:
        """The parameters without a call: `w`, and `b`, which is None without a bias.

        Args:
          inputs: the number of channels that go in.
          dtype: of the parameters.
        """
        w = self._kernel(inputs, dtype)
        of_bias = (self.output_channels, self.num_spatial_dims, self.channel_index, self.b_init, dtype)
        return w, _bias(*of_bias) if self.with_bias else None

    @transparent
    def _kernel(self, inputs: int, dtype: Any) -> jax.Array:
        channels, rest = divmod(inputs, self.feature_group_count)
        if rest:
            raise ValueError(
                f"Inputs channels {inputs} do not make equal groups: they should be a multiple of feature_group_count "
                f"{self.feature_group_count}"
            )
        shape = (*self.kernel_shape, channels, self.output_channels)
        axes = named(*(None,) * self.num_spatial_dims, "in_channels", "out_channels")
        return get_parameter("w", shape, dtype, kernel_init(self.w_init, math.prod(shape[:-1])), axes=axes)

    @transparent
    def convolved(
        self, x: jax.Array, w: jax.Array, b: jax.Array | None = None, *, precision: lax.PrecisionLike = None
    ) -> jax.Array:
        """The convolution [N, *spatial, outputs] of x [N, *spatial, inputs] with given parameters.

        Args:
          x: [N, *spatial, inputs].
          w: the kernel [*kernel, inputs per group, outputs].
          b: what is added [outputs], or None.
          precision: of the products.
        """
        y = convolve(
            x,
            masked(w, self.mask),
            self.stride,
            self.padding,
            split=not reproduces(),
            lhs_dilation=self.lhs_dilation,
            rhs_dilation=self.kernel_dilation,
            dimension_numbers=self.dimension_numbers,
            feature_group_count=self.feature_group_count,
            precision=precision,
        )
        return y if b is None else y + jnp.broadcast_to(b, y.shape)


class Conv1D(ConvND):
    """Convolution along one axis; see `ConvND`.

    >>> import tenure as tn
    >>> model = tn.transform(lambda x: Conv1D(7, 3)(x))
    >>> model.init(jax.random.key(0), jnp.ones((1, 8, 5)))["conv1_d"]["w"].shape
    (3, 5, 7)
    """

    def __init__(
        self,
        output_channels: int,
        kernel_shape: Sizes,
        stride: Sizes = 1,
        rate: Sizes = 1,
        padding: pad.Padding = "SAME",
        with_bias: bool = True,
        w_init: Initializer | None = None,
        b_init: Initializer | None = None,
        data_format: str = "NWC",
        mask: Any = None,
        feature_group_count: int = 1,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """As `ConvND`; `data_format` is "NWC" or "NCW".

        Args:
          output_channels: the number of channels that come out.
          kernel_shape: the kernel's spatial size.
          stride: the step between windows.
          rate: the step between a window's inputs (dilation).
          padding: "SAME", "VALID", pairs of numbers, or functions of `nn.padding`.
          with_bias: whether to add `b`.
          w_init, b_init: initialisers; see `ConvND`.
          data_format: "NWC" or "NCW".
          mask: what the kernel is multiplied with.
          feature_group_count: into how many groups the channels are split.
          name: of the module.
        """
        super().__init__(
            1, output_channels, kernel_shape, stride, rate, padding, with_bias, w_init, b_init, data_format, mask,
            feature_group_count, name,
        )  # fmt: skip


class Conv2D(ConvND):
    """Convolution over images; see `ConvND`.

    >>> import tenure as tn
    >>> model = tn.transform(lambda x: Conv2D(7, 3)(x))
    >>> model.init(jax.random.key(0), jnp.ones((1, 8, 8, 5)))["conv2_d"]["w"].shape
    (3, 3, 5, 7)
    """

    def __init__(
        self,
        output_channels: int,
        kernel_shape: Sizes,
        stride: Sizes = 1,
        rate: Sizes = 1,
        padding: pad.Padding = "SAME",
        with_bias: bool = True,
        w_init: Initializer | None = None,
        b_init: Initializer | None = None,
        data_format: str = "NHWC",
        mask: Any = None,
        feature_group_count: int = 1,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """As `ConvND`; `data_format` is "NHWC" or "NCHW".

        Args:
          output_channels: the number of channels that come out.
          kernel_shape: the kernel's spatial size.
          stride: the step between windows.
          rate: the step between a window's inputs (dilation).
          padding: "SAME", "VALID", pairs of numbers, or functions of `nn.padding`.
          with_bias: whether to add `b`.
          w_init, b_init: initialisers; see `ConvND`.
          data_format: "NHWC" or "NCHW".
          mask: what the kernel is multiplied with.
          feature_group_count: into how many groups the channels are split.
          name: of the module.
        """
        super().__init__(
            2, output_channels, kernel_shape, stride, rate, padding, with_bias, w_init, b_init, data_format, mask,
            feature_group_count, name,
        )  # fmt: skip


class Conv3D(ConvND):
    """Convolution over volumes, or over images in time; see `ConvND`.

    >>> import tenure as tn
    >>> model = tn.transform(lambda x: Conv3D(7, 3)(x))
    >>> model.init(jax.random.key(0), jnp.ones((1, 8, 8, 8, 5)))["conv3_d"]["w"].shape
    (3, 3, 3, 5, 7)
    """

    def __init__(
        self,
        output_channels: int,
        kernel_shape: Sizes,
        stride: Sizes = 1,
        rate: Sizes = 1,
        padding: pad.Padding = "SAME",
        with_bias: bool = True,
        w_init: Initializer | None = None,
        b_init: Initializer | None = None,
        data_format: str = "NDHWC",
        mask: Any = None,
        feature_group_count: int = 1,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """As `ConvND`; `data_format` is "NDHWC" or "NCDHW".

        Args:
          output_channels: the number of channels that come out.
          kernel_shape: the kernel's spatial size.
          stride: the step between windows.
          rate: the step between a window's inputs (dilation).
          padding: "SAME", "VALID", pairs of numbers, or functions of `nn.padding`.
          with_bias: whether to add `b`.
          w_init, b_init: initialisers; see `ConvND`.
          data_format: "NDHWC" or "NCDHW".
          mask: what the kernel is multiplied with.
          feature_group_count: into how many groups the channels are split.
          name: of the module.
        """
        super().__init__(
            3, output_channels, kernel_shape, stride, rate, padding, with_bias, w_init, b_init, data_format, mask,
            feature_group_count, name,
        )  # fmt: skip
