"""A small network for images, of depthwise convolutions."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from tenure.core.run.module import Module, Share, Stages
from tenure.nn import BatchNorm, Conv2D, DepthwiseConv2D, Flatten, Linear
from tenure.nn.axis_names import with_names


def _normed(x: jax.Array, use_bn: bool, is_training: bool) -> jax.Array:
    """The activation of the normalised input."""
    if use_bn:
        x = BatchNorm(create_scale=True, create_offset=True, decay_rate=0.999)(x, is_training)
    return jax.nn.relu(x)


class MobileNetV1Block(Module):
    """A depthwise convolution, then one over the channels."""

    def __init__(
        self,
        channels: int,
        stride: int,
        use_bn: bool = True,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the block.

        Args:
          channels: the number of outputs.
          stride: of the depthwise convolution.
          use_bn: whether there are batch norms, and then no biases.
          name: of the module.
        """
        super().__init__(name=name)
        self.channels = channels
        self.stride = stride
        self.use_bn = use_bn
        self.with_bias = not use_bn

    def __call__(self, inputs: jax.Array, is_training: bool) -> jax.Array:
        """Maps [N, H, W, C] to [N, H, W, channels]."""
        depthwise = DepthwiseConv2D(
            channel_multiplier=1,
            kernel_shape=3,
            stride=self.stride,
            padding=((1, 1), (1, 1)),
            with_bias=self.with_bias,
            name="depthwise_conv",
        )
        pointwise = Conv2D(self.channels, (1, 1), padding="VALID", with_bias=self.with_bias, name="pointwise_conv")
        x = _normed(depthwise(inputs), self.use_bn, is_training)
        return _normed(pointwise(x), self.use_bn, is_training)


class MobileNetV1(Module):
    """A convolution, blocks of depthwise convolutions, a mean over the image, a linear layer.

    Source: Howard et al. 2017, https://arxiv.org/abs/1704.04861.

    >>> import tenure as tn
    >>> model = tn.transform_with_state(lambda x: MobileNetV1(num_classes=10)(x, True))
    >>> model.plan(jnp.ones((1, 32, 32, 3))).ledger.count()
    3217226
    """

    def __init__(
        self,
        strides: Sequence[int] = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1),
        channels: Sequence[int] = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024),
        num_classes: int = 1000,
        use_bn: bool = True,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the network.

        Args:
          strides: one for each block.
          channels: the numbers of outputs of the blocks.
          num_classes: the number of outputs.
          use_bn: whether there are batch norms, and then no biases.
          name: of the module.

        Raises:
          ValueError: as many strides as numbers of channels are needed.
        """
        super().__init__(name=name)
        if len(strides) != len(channels):
            raise ValueError("`strides` and `channels` must have the same length.")
        self.strides = strides
        self.channels = channels
        self.use_bn = use_bn
        self.with_bias = not use_bn
        self.num_classes = num_classes

    def __call__(self, inputs: jax.Array, is_training: bool) -> jax.Array:
        """Maps images [N, H, W, C] to [N, num_classes]."""
        x = Conv2D(32, (3, 3), stride=2, padding="VALID", with_bias=self.with_bias)(inputs)
        x = _normed(x, self.use_bn, is_training)
        for channels, stride in zip(self.channels, self.strides, strict=True):
            x = MobileNetV1Block(channels, stride, self.use_bn)(x, is_training)
        x = Flatten()(jnp.mean(x, axis=(1, 2)))
        return with_names(Linear(self.num_classes, name="logits"), "channels", "classes")(x)
