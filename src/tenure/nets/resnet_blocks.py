"""The blocks of residual networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run.module import Module, Share, Stages
from tenure.nn import BatchNorm, Conv2D

Config = Mapping[str, Any]
Stride = int | Sequence[int]


def _conv(channels: int, kernel: int, stride: Stride, name: str) -> Conv2D:
    return Conv2D(channels, kernel, stride=stride, with_bias=False, padding="SAME", name=name)


class _Block(Module):
    """Two convolutions, or three with a bottleneck, each with a batch norm, and a shortcut around them.

    Attributes:
      NORM: arguments of the batch norms, unless the program gives others.
      LAST_NORM: further ones of a bottleneck's last batch norm.
      PROJECT_NORM: whether the shortcut has a batch norm too.
    """

    NORM: Config = {"create_scale": True, "create_offset": True}
    LAST_NORM: Config = {}
    PROJECT_NORM = False

    def __init__(
        self,
        channels: int,
        stride: Stride,
        use_projection: bool,
        bn_config: Config,
        bottleneck: bool,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the block.

        Args:
          channels: the number of outputs.
          stride: of one of its convolutions.
          use_projection: whether the shortcut has a convolution, where the numbers of channels differ.
          bn_config: further arguments of the batch norms.
          bottleneck: whether it is narrow in the middle.
          name: of the module.
        """
        super().__init__(name=name)
        bn_config = {**self.NORM, **bn_config}
        self.use_projection = use_projection
        if use_projection:
            self.proj_conv = _conv(channels, 1, stride, "shortcut_conv")
            if self.PROJECT_NORM:
                self.proj_batchnorm = BatchNorm(name="shortcut_batchnorm", **bn_config)
        narrow = channels // (4 if bottleneck else 1)
        plan = (
            [(narrow, 1, 1), (narrow, 3, stride), (channels, 1, 1)]
            if bottleneck
            else [(narrow, 3, stride), (narrow, 3, 1)]
        )
        layers = []
        for i, (size, kernel, step) in enumerate(plan):
            options = self.LAST_NORM if i == 2 else {}
            conv = _conv(size, kernel, step, f"conv_{i}")
            layers.append((conv, BatchNorm(name=f"batchnorm_{i}", **options, **bn_config)))
        self.layers = tuple(layers)


class BlockV1(_Block):
    """A block that ends with norm, sum and activation."""

    NORM = {**_Block.NORM, "decay_rate": 0.999}
    LAST_NORM = {"scale_init": jnp.zeros}
    PROJECT_NORM = True

    def __call__(self, inputs: jax.Array, is_training: bool, test_local_stats: bool) -> jax.Array:
        """Maps images to images."""
        shortcut = inputs
        if self.use_projection:
            shortcut = self.proj_batchnorm(self.proj_conv(shortcut), is_training, test_local_stats)
        x = inputs
        for i, (conv, norm) in enumerate(self.layers):
            x = norm(conv(x), is_training, test_local_stats)
            if i + 1 < len(self.layers):
                x = jax.nn.relu(x)
        return jax.nn.relu(x + shortcut)


class BlockV2(_Block):
    """A block whose convolutions come after norm and activation."""

    def __call__(self, inputs: jax.Array, is_training: bool, test_local_stats: bool) -> jax.Array:
        """Maps images to images."""
        x = shortcut = inputs
        for i, (conv, norm) in enumerate(self.layers):
            x = jax.nn.relu(norm(x, is_training, test_local_stats))
            if i == 0 and self.use_projection:
                shortcut = self.proj_conv(x)
            x = conv(x)
        return x + shortcut


class BlockGroup(Module):
    """Blocks one after the other; the first has the stride."""

    def __init__(
        self,
        channels: int,
        num_blocks: int,
        stride: Stride,
        bn_config: Config,
        resnet_v2: bool,
        bottleneck: bool,
        use_projection: bool,
        name: str | None = None,
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the blocks; see `BlockV1` and `BlockV2`."""
        super().__init__(name=name)
        block = BlockV2 if resnet_v2 else BlockV1
        self.blocks = [
            block(channels, 1 if i else stride, i == 0 and use_projection, bn_config, bottleneck, name=f"block_{i}")
            for i in range(num_blocks)
        ]

    def __call__(self, inputs: jax.Array, is_training: bool, test_local_stats: bool) -> jax.Array:
        """Maps images to images."""
        x = inputs
        for block in self.blocks:
            x = block(x, is_training, test_local_stats)
        return x
