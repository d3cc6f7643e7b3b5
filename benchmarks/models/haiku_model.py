"""The Transformer in dm-haiku."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp

from benchmarks.models.common import INIT_SCALE, Config, HandParams, Params, convert_two_level, next_token_loss

INIT = hk.initializers.RandomNormal(INIT_SCALE)


def layer_norm(name: str | None = None) -> hk.LayerNorm:
    return hk.LayerNorm(axis=-1, create_scale=True, create_offset=True, name=name)


class Layer(hk.Module):
    """Attention and MLP, each behind a norm and beside a residual connection."""

    def __init__(self, config: Config, name: str | None = None):
        super().__init__(name=name)
        self.config = config

    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        c = self.config
        h = layer_norm("norm_1")(x)
        x = x + hk.MultiHeadAttention(c.heads, c.d_head, w_init=INIT, name="attention")(h, h, h, mask)
        h = layer_norm("norm_2")(x)
        h = jax.nn.gelu(hk.Linear(c.d_ff, w_init=INIT, name="up")(h))
        return x + hk.Linear(c.d_model, w_init=INIT, name="down")(h)


class Transformer(hk.Module):
    """Tokens [batch, length] -> logits [batch, length, vocab]."""

    def __init__(self, config: Config, name: str | None = "lm"):
        super().__init__(name=name)
        self.config = config

    def __call__(self, tokens: jax.Array) -> jax.Array:
        c = self.config
        embed = hk.Embed(c.vocab, c.d_model, w_init=INIT, name="embed")
        positions = hk.get_parameter("positions", (c.length, c.d_model), init=INIT)
        x = embed(tokens) + positions
        mask = jnp.tril(jnp.ones((1, 1, c.length, c.length), bool))
        if c.stacked:
            x = hk.layer_stack(c.layers, name="stack")(lambda x: Layer(c, "layer")(x, mask))(x)
        else:
            for i in range(c.layers):
                x = Layer(c, f"layer_{i}")(x, mask)
        return layer_norm("norm")(x) @ embed.embeddings.T


class Model:
    """See `benchmarks.models.Peer`."""

    needs_template = False

    def __init__(self, config: Config):
        self.config = config
        self.model = hk.without_apply_rng(hk.transform(lambda tokens: Transformer(config)(tokens)))

    def init(self, key: jax.Array) -> Params:
        return self.model.init(key, jnp.zeros((1, self.config.length), jnp.int32))

    def loss(self, params: Params, tokens: jax.Array) -> jax.Array:
        return next_token_loss(self.model.apply(params, tokens[:, :-1]), tokens[:, 1:])

    def convert(self, params: HandParams) -> Params:
        return convert_two_level(params, self.config)
