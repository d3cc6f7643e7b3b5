"""Image classifiers: a residual network and an MLP-Mixer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from data import digit_batches

import tenure.haiku as hk


class MixerBlock(hk.Module):
    """Mixes over the patches, then over the channels."""

    def __init__(self, tokens: int, channels: int, name: str | None = None):
        super().__init__(name=name)
        self.tokens, self.channels = tokens, channels

    def __call__(self, x: jax.Array) -> jax.Array:
        y = hk.LayerNorm(-1, create_scale=True, create_offset=True)(x)
        y = jnp.swapaxes(y, 1, 2)
        y = hk.nets.MLP([self.tokens, y.shape[-1]], activation=jax.nn.gelu, name="token_mixing")(y)
        x = x + jnp.swapaxes(y, 1, 2)
        y = hk.LayerNorm(-1, create_scale=True, create_offset=True)(x)
        return x + hk.nets.MLP([self.channels, y.shape[-1]], activation=jax.nn.gelu, name="channel_mixing")(y)


class Mixer(hk.Module):
    """Tolstikhin et al. 2021, https://arxiv.org/abs/2105.01601."""

    def __call__(self, images: jax.Array, is_training: bool) -> jax.Array:
        del is_training
        x = hk.Conv2D(32, 2, stride=2, padding="VALID", name="stem")(images)
        x = x.reshape(x.shape[0], -1, x.shape[-1])
        for _ in range(2):
            x = MixerBlock(16, 64)(x)
        x = hk.LayerNorm(-1, create_scale=True, create_offset=True)(x)
        return hk.Linear(10, w_init=jnp.zeros, name="head")(x.mean(axis=1))


def resnet(images: jax.Array, is_training: bool) -> jax.Array:
    """The layout of ResNet-50, with fewer and narrower blocks: it is to train on a laptop."""
    config = {**hk.nets.ResNet.CONFIGS[50], "blocks_per_group": (1, 1, 1, 1), "channels_per_group": (16, 32, 64, 64)}
    net = hk.nets.ResNet(num_classes=10, initial_conv_config={"output_channels": 16, "kernel_shape": 3}, **config)
    return net(images, is_training)


class State(NamedTuple):
    """What a step changes."""

    params: Any
    state: Any
    opt: Any


def train(steps: int, kind: str = "resnet") -> Iterator[float]:
    """Trains on handwritten digits.

    Args:
      steps: how many.
      kind: "resnet" or "mixer".

    Yields:
      The loss of each step.
    """
    net = hk.transform_with_state(resnet if kind == "resnet" else lambda x, training: Mixer()(x, training))
    optimizer = optax.sgd(0.05, momentum=0.9, nesterov=True)

    def loss_fn(params: Any, state: Any, images: Any, labels: Any) -> Any:
        logits, state = net.apply(params, state, None, images, True)
        one_hot = jax.nn.one_hot(labels, 10)
        loss = optax.softmax_cross_entropy(logits, one_hot).mean()
        decay = 1e-4 * sum((p**2).sum() for m, n, p in hk.data_structures.traverse(params) if n == "w")
        return loss + decay, state

    @jax.jit
    def step(now: State, images: Any, labels: Any) -> tuple[State, jax.Array]:
        (loss, state), grads = jax.value_and_grad(loss_fn, has_aux=True)(now.params, now.state, images, labels)
        updates, opt = optimizer.update(grads, now.opt, now.params)
        return State(optax.apply_updates(now.params, updates), state, opt), loss

    batches = digit_batches(32)
    images, labels = next(batches)
    params, state = net.init(jax.random.PRNGKey(0), images, True)
    now = State(params, state, optimizer.init(params))
    for _ in range(steps):
        now, loss = step(now, images, labels)
        yield float(loss)
        images, labels = next(batches)


if __name__ == "__main__":
    for i, loss in enumerate(train(100)):
        print(i, loss)
