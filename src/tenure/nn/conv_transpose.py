"""Transposed convolutions."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from tenure.core.run.module import Module, Share, Stages
from tenure.core.run.parameters import get_parameter
from tenure.functional.explicit_mesh import left_to_xla
from tenure.initializers import Initializer
from tenure.nn.axes import get_channel_index
from tenure.nn.axis_names import named
from tenure.nn.conv import Sizes, as_batch, dimension_numbers, kernel_init, masked, with_bias
from tenure.nn.padding import replicate

Pairs = str | Sequence[tuple[int, int]]


def padding_for(inputs: int, outputs: int, kernel: int, stride: int, padding: str) -> tuple[int, int]:
    """What to pad the spread inputs with so that there are `outputs` outputs.

    Raises:
      ValueError: a convolution with this padding does not make so many inputs of so many outputs.

    >>> padding_for(4, 8, kernel=3, stride=2, padding="SAME"), padding_for(4, 7, kernel=3, stride=2, padding="SAME")
    ((2, 1), (1, 1))
    """
    if padding not in ("SAME", "VALID"):
        raise ValueError(f"with output_shape, padding is 'SAME' or 'VALID', not {padding!r}")
    covered = outputs if padding == "SAME" else outputs - kernel + 1
    needed = (covered + stride - 1) // stride
    if inputs != needed:
        raise ValueError(f"{outputs} outputs come from {needed} inputs with padding {padding!r}, not {inputs}")
    spread = (inputs - 1) * stride + 1
    cut = max(0, spread - 1 + kernel - outputs) // 2 if padding == "SAME" else 0
    before = kernel - 1 - cut
    return before, outputs + kernel - 1 - spread - before


class ConvNDTranspose(Module):
    """The transpose of a convolution's linear map: from its outputs' shape to its inputs'.

    Owns `w` [*kernel, outputs, inputs] and, unless `with_bias=False`, `b`; see `ConvND`.

    >>> import tenure as tn
    >>> model = tn.transform(lambda x: ConvNDTranspose(2, 7, kernel_shape=3, stride=2)(x))
    >>> params = model.init(jax.random.key(0), jnp.ones((1, 4, 4, 3)))
    >>> params["conv_nd_transpose"]["w"].shape, model.apply(params, None, jnp.ones((1, 4, 4, 3))).shape
    ((3, 3, 7, 3), (1, 8, 8, 7))
    """

    def __init__(
        self,
        num_spatial_dims: int,
        output_channels: int,
        kernel_shape: Sizes,
        stride: Sizes = 1,
        output_shape: Sizes | None = None,
        padding: Pairs = "SAME",
        with_bias: bool = True,
        w_init: Initializer | None = None,
        b_init: Initializer | None = None,
        data_format: str = "channels_last",
        mask: Any = None,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the convolution; what is not here is as for `ConvND`.

        Args:
          num_spatial_dims: the number of spatial axes.
          output_channels: the number of outputs.
          kernel_shape: the kernel's size.
          stride: how far apart inputs are, counted in outputs.
          output_shape: the outputs' spatial shape, where several would fit.
          padding: of the convolution that this one transposes: "SAME", "VALID" or pairs.
          with_bias: whether to add `b`.
          w_init: by default a truncated normal distribution with standard deviation `(kernel * inputs) ** -0.5`.
          b_init: by default zeros.
          data_format: where the channels are; see `get_channel_index`.
          mask: an array that the kernel is multiplied with.
          name: of the module.

        Raises:
          ValueError: there is no spatial axis, or an `output_shape` with pairs as padding.
          TypeError: sizes for another number of axes.
        """
        super().__init__(name=name)
        if num_spatial_dims <= 0:
            raise ValueError(
                f"There are convolution operations for `num_spatial_dims` greater than 0, not {num_spatial_dims}"
            )
        if output_shape is not None and not isinstance(padding, str):
            raise ValueError(f"with output_shape, padding is 'SAME' or 'VALID', not {padding!r}")
        self.num_spatial_dims = num_spatial_dims
        self.output_channels = output_channels
        self.kernel_shape = replicate(kernel_shape, num_spatial_dims, "kernel_shape")
        self.stride = replicate(stride, num_spatial_dims, "stride")
        self.output_shape = None if output_shape is None else replicate(output_shape, num_spatial_dims, "output_shape")
        self.padding = padding
        self.with_bias = with_bias
        self.w_init = w_init
        self.b_init = b_init or jnp.zeros
        self.mask = mask
        self.data_format = data_format
        self.channel_index = get_channel_index(data_format)
        self.dimension_numbers = dimension_numbers(num_spatial_dims, self.channel_index, transpose=True)

    def __call__(self, inputs: jax.Array, *, precision: lax.PrecisionLike = None) -> jax.Array:
        """Maps [N, *spatial, inputs] to [N, *spatial, outputs], or the same without N.

        Raises:
          ValueError: the wrong number of axes, an `output_shape` that does not fit, or a mask of another shape.
        """
        x, single = as_batch(inputs, self.num_spatial_dims, "ConvNDTranspose")
        channels = x.shape[self.channel_index]
        shape = (*self.kernel_shape, self.output_channels, channels)
        w_init = kernel_init(self.w_init, math.prod(self.kernel_shape) * channels)
        axes = named(*(None,) * self.num_spatial_dims, "out_channels", "in_channels")
        w = get_parameter("w", shape, x.dtype, w_init, axes=axes)
        padding: Any = self.padding
        if self.output_shape is not None:
            spatial = x.shape[2:] if self.channel_index == 1 else x.shape[1:-1]
            sizes = zip(spatial, self.output_shape, self.kernel_shape, self.stride, strict=True)
            padding = tuple(padding_for(*of_axis, padding) for of_axis in sizes)
        convolved = functools.partial(
            lax.conv_transpose,
            strides=self.stride,
            padding=padding,
            dimension_numbers=self.dimension_numbers,
            precision=precision,
        )
        y = left_to_xla(convolved, x, masked(w, self.mask))
        if self.with_bias:
            y = with_bias(y, self.channel_index, self.b_init, x.dtype)
        return y[0] if single else y


class Conv1DTranspose(ConvNDTranspose):
    """Transposed convolution along one axis; see `ConvNDTranspose`.

    >>> import tenure as tn
    >>> model = tn.transform(lambda x: Conv1DTranspose(7, 3)(x))
    >>> model.init(jax.random.key(0), jnp.ones((1, 8, 5)))["conv1_d_transpose"]["w"].shape
    (3, 7, 5)
    """

    def __init__(
        self,
        output_channels: int,
        kernel_shape: Sizes,
        stride: Sizes = 1,
        output_shape: Sizes | None = None,
        padding: Pairs = "SAME",
        with_bias: bool = True,
        w_init: Initializer | None = None,
        b_init: Initializer | None = None,
        data_format: str = "NWC",
        mask: Any = None,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """As `ConvNDTranspose`; `data_format` is "NWC" or "NCW".

        Args:
          output_channels: the number of channels that come out.
          kernel_shape: the kernel's spatial size.
          stride: how many outputs there are for each input.
          output_shape: the spatial size of the result; None for what stride and padding give.
          padding: "SAME", "VALID", or pairs of numbers.
          with_bias: whether to add `b`.
          w_init, b_init: initialisers; see `ConvNDTranspose`.
          data_format: "NWC" or "NCW".
          mask: what the kernel is multiplied with.
          name: of the module.
        """
        super().__init__(
            1, output_channels, kernel_shape, stride, output_shape, padding, with_bias, w_init, b_init, data_format,
            mask, name,
        )  # fmt: skip


class Conv2DTranspose(ConvNDTranspose):
    """Transposed convolution over images; see `ConvNDTranspose`.

    >>> import tenure as tn
    >>> model = tn.transform(lambda x: Conv2DTranspose(7, 3)(x))
    >>> model.init(jax.random.key(0), jnp.ones((1, 8, 8, 5)))["conv2_d_transpose"]["w"].shape
    (3, 3, 7, 5)
    """

    def __init__(
        self,
        output_channels: int,
        kernel_shape: Sizes,
        stride: Sizes = 1,
        output_shape: Sizes | None = None,
        padding: Pairs = "SAME",
        with_bias: bool = True,
        w_init: Initializer | None = None,
        b_init: Initializer | None = None,
        data_format: str = "NHWC",
        mask: Any = None,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """As `ConvNDTranspose`; `data_format` is "NHWC" or "NCHW".

        Args:
          output_channels: the number of channels that come out.
          kernel_shape: the kernel's spatial size.
          stride: how many outputs there are for each input.
          output_shape: the spatial size of the result; None for what stride and padding give.
          padding: "SAME", "VALID", or pairs of numbers.
          with_bias: whether to add `b`.
          w_init, b_init: initialisers; see `ConvNDTranspose`.
          data_format: "NHWC" or "NCHW".
          mask: what the kernel is multiplied with.
          name: of the module.
        """
        super().__init__(
            2, output_channels, kernel_shape, stride, output_shape, padding, with_bias, w_init, b_init, data_format,
            mask, name,
        )  # fmt: skip


class Conv3DTranspose(ConvNDTranspose):
    """Transposed convolution over volumes; see `ConvNDTranspose`.

    >>> import tenure as tn
    >>> model = tn.transform(lambda x: Conv3DTranspose(7, 3)(x))
    >>> model.init(jax.random.key(0), jnp.ones((1, 8, 8, 8, 5)))["conv3_d_transpose"]["w"].shape
    (3, 3, 3, 7, 5)
    """

    def __init__(
        self,
        output_channels: int,
        kernel_shape: Sizes,
        stride: Sizes = 1,
        output_shape: Sizes | None = None,
        padding: Pairs = "SAME",
        with_bias: bool = True,
        w_init: Initializer | None = None,
        b_init: Initializer | None = None,
        data_format: str = "NDHWC",
        mask: Any = None,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """As `ConvNDTranspose`; `data_format` is "NDHWC" or "NCDHW".

        Args:
          output_channels: the number of channels that come out.
          kernel_shape: the kernel's spatial size.
          stride: how many outputs there are for each input.
          output_shape: the spatial size of the result; None for what stride and padding give.
          padding: "SAME", "VALID", or pairs of numbers.
          with_bias: whether to add `b`.
          w_init, b_init: initialisers; see `ConvNDTranspose`.
          data_format: "NDHWC" or "NCDHW".
          mask: what the kernel is multiplied with.
          name: of the module.
        """
        super().__init__(
            3, output_channels, kernel_shape, stride, output_shape, padding, with_bias, w_init, b_init, data_format,
            mask, name,
        )  # fmt: skip
