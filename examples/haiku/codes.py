"""A VQ-VAE of handwritten digits. Source: van den Oord et al. 2017, https://arxiv.org/abs/1711.00937."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax
from data import digit_batches

import tenure.haiku as hk


class ResidualStack(hk.Module):
    """Convolutions with shortcuts."""

    def __call__(self, x: jax.Array) -> jax.Array:
        for i in range(2):
            y = hk.Conv2D(8, 3, name=f"res3x3_{i}")(jax.nn.relu(x))
            x = x + hk.Conv2D(x.shape[-1], 1, name=f"res1x1_{i}")(jax.nn.relu(y))
        return jax.nn.relu(x)


class Encoder(hk.Module):
    """[N, 8, 8, 1] to [N, 4, 4, 16]."""

    def __call__(self, x: jax.Array) -> jax.Array:
        x = jax.nn.relu(hk.Conv2D(16, 4, stride=2, name="enc_1")(x))
        return ResidualStack()(hk.Conv2D(16, 3, name="enc_2")(x))


class Decoder(hk.Module):
    """[N, 4, 4, 16] to [N, 8, 8, 1]."""

    def __call__(self, x: jax.Array) -> jax.Array:
        x = ResidualStack()(hk.Conv2D(16, 3, name="dec_1")(x))
        return hk.Conv2DTranspose(1, 4, stride=2, name="dec_2")(x)


class VQVAE(hk.Module):
    """Encoder, codes, decoder."""

    def __init__(self, name: str | None = None):
        super().__init__(name=name)
        self._encoder, self._decoder = Encoder(), Decoder()
        self._to_codes = hk.Conv2D(8, 1, name="to_vq")
        self._codes = hk.nets.VectorQuantizerEMA(8, 32, commitment_cost=0.25, decay=0.99)

    def __call__(self, images: jax.Array, is_training: bool) -> jax.Array:
        found = self._codes(self._to_codes(self._encoder(images)), is_training)
        error = jnp.mean((self._decoder(found["quantize"]) - images) ** 2) / 0.14
        return error + found["loss"]


def train(steps: int) -> Iterator[float]:
    """Trains on handwritten digits; yields the loss of each step."""
    model = hk.transform_with_state(lambda images, is_training: VQVAE()(images, is_training))
    optimizer = optax.adam(1e-3)

    @jax.jit
    def step(params: Any, state: Any, opt: Any, images: Any) -> Any:
        def loss_fn(params: Any) -> Any:
            return model.apply(params, state, None, images, True)

        (loss, new), grads = jax.value_and_grad(loss_fn, has_aux=True)(params)
        updates, opt = optimizer.update(grads, opt)
        return optax.apply_updates(params, updates), new, opt, loss

    batches = digit_batches(32)
    params, state = model.init(jax.random.PRNGKey(0), next(batches)[0], True)
    opt = optimizer.init(params)
    for _ in range(steps):
        params, state, opt, loss = step(params, state, opt, next(batches)[0])
        yield float(loss)


if __name__ == "__main__":
    for i, loss in enumerate(train(100)):
        print(i, loss)
