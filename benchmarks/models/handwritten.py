"""The Transformer without a library: a dict of arrays and a few functions."""

from __future__ import annotations

import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp

from benchmarks.models.common import EPSILON, INIT_SCALE, Config, HandParams, next_token_loss, stack_trees


def init_linear(key: jax.Array, n_in: int, n_out: int) -> HandParams:
    return {"w": INIT_SCALE * jax.random.normal(key, (n_in, n_out)), "b": jnp.zeros(n_out)}


def init_norm(size: int) -> HandParams:
    return {"scale": jnp.ones(size), "offset": jnp.zeros(size)}


def init_layer(keys: Iterator[jax.Array], config: Config) -> HandParams:
    d = config.d_model
    return {
        "norm_1": init_norm(d),
        "attention": {name: init_linear(next(keys), d, d) for name in ("query", "key", "value", "out")},
        "norm_2": init_norm(d),
        "up": init_linear(next(keys), d, config.d_ff),
        "down": init_linear(next(keys), config.d_ff, d),
    }


def linear(p: HandParams, x: jax.Array) -> jax.Array:
    return x @ p["w"] + p["b"]


def layer_norm(p: HandParams, x: jax.Array) -> jax.Array:
    # Not jnp.var, which subtracts the mean a second time: XLA then repeats much of each layer (see the README).
    centred = x - jnp.mean(x, axis=-1, keepdims=True)
    variance = jnp.mean(jnp.square(centred), axis=-1, keepdims=True)
    return centred * (jax.lax.rsqrt(variance + EPSILON) * p["scale"]) + p["offset"]


def attention(p: HandParams, x: jax.Array, mask: jax.Array, heads: int) -> jax.Array:
    batch, length, d = x.shape
    q, k, v = (linear(p[name], x).reshape(batch, length, heads, -1) for name in ("query", "key", "value"))
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(d // heads)
    weights = jax.nn.softmax(jnp.where(mask, scores, -1e30))
    return linear(p["out"], jnp.einsum("bhqk,bkhd->bqhd", weights, v).reshape(batch, length, d))


def layer(p: HandParams, x: jax.Array, mask: jax.Array, heads: int) -> jax.Array:
    x = x + attention(p["attention"], layer_norm(p["norm_1"], x), mask, heads)
    return x + linear(p["down"], jax.nn.gelu(linear(p["up"], layer_norm(p["norm_2"], x))))


def forward(p: HandParams, tokens: jax.Array, config: Config) -> jax.Array:
    """Tokens [batch, length] -> logits [batch, length, vocab]."""
    mask = jnp.tril(jnp.ones((config.length, config.length), bool))
    x = p["embed"][tokens] + p["positions"]
    if config.stacked:
        x, _ = jax.lax.scan(lambda x, q: (layer(q, x, mask, config.heads), None), x, p["layers"])
    else:
        for q in p["layers"]:
            x = layer(q, x, mask, config.heads)
    return layer_norm(p["norm"], x) @ p["embed"].T


class Model:
    """See `benchmarks.models.Peer`."""

    needs_template = False

    def __init__(self, config: Config):
        self.config = config

    def init(self, key: jax.Array) -> HandParams:
        c = self.config
        embed_key, position_key, layers_key = jax.random.split(key, 3)
        return {
            "embed": INIT_SCALE * jax.random.normal(embed_key, (c.vocab, c.d_model)),
            "positions": INIT_SCALE * jax.random.normal(position_key, (c.length, c.d_model)),
            "layers": self._init_layers(layers_key),
            "norm": init_norm(c.d_model),
        }

    def _init_layers(self, key: jax.Array) -> HandParams | list[HandParams]:
        c = self.config
        if c.stacked:
            return jax.vmap(lambda k: init_layer(iter(jax.random.split(k, 6)), c))(jax.random.split(key, c.layers))
        keys = iter(jax.random.split(key, 6 * c.layers))
        return [init_layer(keys, c) for _ in range(c.layers)]

    def loss(self, params: HandParams, tokens: jax.Array) -> jax.Array:
        return next_token_loss(forward(params, tokens[:, :-1], self.config), tokens[:, 1:])

    def convert(self, params: HandParams) -> HandParams:
        return params | {"layers": stack_trees(params["layers"])} if self.config.stacked else params
