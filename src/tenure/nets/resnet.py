"""Residual networks for images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run.module import Module, Share, Stages
from tenure.nets.resnet_blocks import BlockGroup, BlockV1, BlockV2
from tenure.nn import BatchNorm, Conv2D, Linear, max_pool
from tenure.nn.axis_names import with_names

Config = Mapping[str, Any]

_NARROW = {"bottleneck": False, "channels_per_group": (64, 128, 256, 512)}
_WIDE = {"bottleneck": True, "channels_per_group": (256, 512, 1024, 2048)}


class ResNet(Module):
    """A residual network: a convolution, four groups of blocks, a mean over the image, a linear layer.

    Source: He et al. 2015, https://arxiv.org/abs/1512.03385, and, for `resnet_v2`, https://arxiv.org/abs/1603.05027.

    Attributes:
      CONFIGS: the arguments of the published networks, by their number of layers.

    >>> import tenure as tn
    >>> model = tn.transform_with_state(lambda x: ResNet18(10)(x, is_training=True))
    >>> plan = model.plan(jnp.ones((1, 64, 64, 3)))
    >>> plan.ledger.count(), plan.out[0].shape if isinstance(plan.out, tuple) else plan.out.shape
    (11181642, (1, 10))
    """

    CONFIGS: Mapping[int, Mapping[str, Any]] = {
        18: {"blocks_per_group": (2, 2, 2, 2), "use_projection": (False, True, True, True), **_NARROW},
        34: {"blocks_per_group": (3, 4, 6, 3), "use_projection": (False, True, True, True), **_NARROW},
        50: {"blocks_per_group": (3, 4, 6, 3), "use_projection": (True, True, True, True), **_WIDE},
        101: {"blocks_per_group": (3, 4, 23, 3), "use_projection": (True, True, True, True), **_WIDE},
        152: {"blocks_per_group": (3, 8, 36, 3), "use_projection": (True, True, True, True), **_WIDE},
        200: {"blocks_per_group": (3, 24, 36, 3), "use_projection": (True, True, True, True), **_WIDE},
    }
    BlockGroup = BlockGroup
    BlockV1 = BlockV1
    BlockV2 = BlockV2

    def __init__(
        self,
        blocks_per_group: Sequence[int],
        num_classes: int,
        bn_config: Config | None = None,
        resnet_v2: bool = False,
        bottleneck: bool = True,
        channels_per_group: Sequence[int] = (256, 512, 1024, 2048),
        use_projection: Sequence[bool] = (True, True, True, True),
        logits_config: Config | None = None,
        name: str | None = None,
        initial_conv_config: Config | None = None,
        strides: Sequence[int] = (1, 2, 2, 2),
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the network.

        Args:
          blocks_per_group: four numbers.
          num_classes: the number of outputs.
          bn_config: further arguments of all batch norms; by default a decay of 0.9, with scales and offsets.
          resnet_v2: whether norm and activation come before each convolution.
          bottleneck: whether blocks are narrow in the middle.
          channels_per_group: four numbers.
          use_projection: whether a group's first block projects its shortcut; four values.
          logits_config: further arguments of the last layer; by default it starts at zero.
          name: of the module.
          initial_conv_config: further arguments of the first convolution; by default 64 channels, 7 x 7, stride 2.
          strides: of the four groups.

        Raises:
          ValueError: not four of something.
        """
        super().__init__(name=name)
        self.resnet_v2 = resnet_v2
        bn_config = {"decay_rate": 0.9, "eps": 1e-5, "create_scale": True, "create_offset": True, **(bn_config or {})}
        fours = {"blocks_per_group": blocks_per_group, "channels_per_group": channels_per_group, "strides": strides}
        for what, values in fours.items():
            if len(values) != 4:
                raise ValueError(f"`{what}` must be of length 4 not {len(values)}")
        first = {"output_channels": 64, "kernel_shape": 7, "stride": 2, "with_bias": False, "padding": "SAME"}
        self.initial_conv = Conv2D(**{**first, "name": "initial_conv", **(initial_conv_config or {})})
        if not resnet_v2:
            self.initial_batchnorm = BatchNorm(name="initial_batchnorm", **bn_config)
        self.block_groups = [
            BlockGroup(channels, blocks, stride, bn_config, resnet_v2, bottleneck, project, name=f"block_group_{i}")
            for i, (channels, blocks, stride, project) in enumerate(
                zip(channels_per_group, blocks_per_group, strides, use_projection)
            )
        ]
        if resnet_v2:
            self.final_batchnorm = BatchNorm(name="final_batchnorm", **bn_config)
        self.logits = Linear(num_classes, **{"w_init": jnp.zeros, "name": "logits", **(logits_config or {})})
        with_names(self.logits, "channels", "classes")

    def __call__(self, inputs: jax.Array, is_training: bool, test_local_stats: bool = False) -> jax.Array:
        """Maps images [N, H, W, C] to [N, num_classes].

        Args:
          inputs: images.
          is_training: whether batch norms use, and update, the batch's statistics.
          test_local_stats: whether they use them otherwise too.
        """
        x = self.initial_conv(inputs)
        if not self.resnet_v2:
            x = jax.nn.relu(self.initial_batchnorm(x, is_training, test_local_stats))
        x = max_pool(x, window_shape=(1, 3, 3, 1), strides=(1, 2, 2, 1), padding="SAME")
        for group in self.block_groups:
            x = group(x, is_training, test_local_stats)
        if self.resnet_v2:
            x = jax.nn.relu(self.final_batchnorm(x, is_training, test_local_stats))
        return self.logits(jnp.mean(x, axis=(1, 2)))


class _Published(ResNet):
    """A network of `ResNet.CONFIGS`."""

    LAYERS: int

    def __init__(
        self,
        num_classes: int,
        bn_config: Config | None = None,
        resnet_v2: bool = False,
        logits_config: Config | None = None,
        name: str | None = None,
        initial_conv_config: Config | None = None,
        strides: Sequence[int] = (1, 2, 2, 2),
        *,
        share: Share = None,
        stages: Stages = None,
    ):
        """Describes the network; see `ResNet`."""
        super().__init__(
            num_classes=num_classes,
            bn_config=bn_config,
            resnet_v2=resnet_v2,
            logits_config=logits_config,
            name=name,
            initial_conv_config=initial_conv_config,
            strides=strides,
            **ResNet.CONFIGS[self.LAYERS],
        )


class ResNet18(_Published):
    """The residual network of 18 layers."""

    LAYERS = 18


class ResNet34(_Published):
    """The residual network of 34 layers."""

    LAYERS = 34


class ResNet50(_Published):
    """The residual network of 50 layers."""

    LAYERS = 50


class ResNet101(_Published):
    """The residual network of 101 layers."""

    LAYERS = 101


class ResNet152(_Published):
    """The residual network of 152 layers."""

    LAYERS = 152


class ResNet200(_Published):
    """The residual network of 200 layers."""

    LAYERS = 200
