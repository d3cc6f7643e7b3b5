"""A NeRF: a scene as a function of position and direction. Source: Mildenhall et al. 2020, arxiv.org/abs/2003.08934."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tenure.haiku as hk

SAMPLES = 16


def encode(x: jax.Array, octaves: int) -> jax.Array:
    """Sines and cosines of all octaves, behind the value itself."""
    scaled = x[..., None, :] * 2.0 ** jnp.arange(octaves)[:, None]
    waves = jnp.concatenate([jnp.sin(scaled), jnp.cos(scaled)], -1)
    return jnp.concatenate([x, waves.reshape(*x.shape[:-1], -1)], -1)


class Radiance(hk.Module):
    """Density and colour at points, seen from directions."""

    def __call__(self, points: jax.Array, directions: jax.Array) -> tuple[jax.Array, jax.Array]:
        inputs = encode(points, 4)
        x = hk.nets.MLP([32, 32], activate_final=True, name="trunk")(inputs)
        x = hk.nets.MLP([32], activate_final=True, name="after_skip")(jnp.concatenate([x, inputs], -1))
        density = jax.nn.softplus(hk.Linear(1, name="density")(x))[..., 0]
        x = jnp.concatenate([hk.Linear(16, name="bottleneck")(x), encode(directions, 2)], -1)
        return density, jax.nn.sigmoid(hk.nets.MLP([16, 3], name="colour")(x))


def render(origins: jax.Array, directions: jax.Array) -> jax.Array:
    """The colours [N, 3] of rays, from samples at random depths."""
    edges = jnp.linspace(0.0, 2.0, SAMPLES + 1)
    depths = edges[:-1] + jax.random.uniform(hk.next_rng_key(), (len(origins), SAMPLES)) * edges[1]
    points = origins[:, None] + depths[..., None] * directions[:, None]
    density, colour = hk.BatchApply(Radiance())(points, jnp.broadcast_to(directions[:, None], points.shape))
    steps = jnp.diff(depths, axis=-1, append=2.0)
    alpha = 1 - jnp.exp(-density * steps)
    through = jnp.cumprod(jnp.concatenate([jnp.ones((len(origins), 1)), 1 - alpha[:, :-1] + 1e-10], -1), -1)
    found: jax.Array = ((through * alpha)[..., None] * colour).sum(1)
    return found


def rays(size: int, seed: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rays towards a shaded ball, and their colours, for ever."""
    rng = np.random.default_rng(seed)
    while True:
        origins = np.concatenate([rng.uniform(-0.8, 0.8, (size, 2)), np.full((size, 1), -1.0)], -1)
        directions = np.broadcast_to([0.0, 0.0, 1.0], origins.shape)
        height = 0.25 - (origins[:, :2] ** 2).sum(-1)
        shade = np.sqrt(np.clip(height, 0, None))[:, None] * 2
        yield tuple(a.astype(np.float32) for a in (origins, directions, shade * [1.0, 0.5, 0.2]))  # type: ignore[misc]


def train(steps: int) -> Iterator[float]:
    """Trains on views of a ball; yields the loss of each step."""
    model = hk.transform(render)
    optimizer = optax.adam(5e-3)

    @jax.jit
    def step(params: Any, opt: Any, key: Any, batch: Any) -> Any:
        origins, directions, colours = batch
        key, draw = jax.random.split(key)

        def loss_fn(params: Any) -> jax.Array:
            return jnp.mean((model.apply(params, draw, origins, directions) - colours) ** 2)

        loss, grads = jax.value_and_grad(loss_fn)(params)
        updates, opt = optimizer.update(grads, opt)
        return optax.apply_updates(params, updates), opt, key, loss

    batches = rays(64)
    key = jax.random.PRNGKey(0)
    params = model.init(key, *next(batches)[:2])
    opt = optimizer.init(params)
    for _ in range(steps):
        params, opt, key, loss = step(params, opt, key, next(batches))
        yield float(loss)


if __name__ == "__main__":
    for i, loss in enumerate(train(100)):
        print(i, loss)
