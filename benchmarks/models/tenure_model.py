"""The Transformer in Tenure."""

from __future__ import annotations

import jax
import jax.numpy as jnp

import tenure as tn
from benchmarks.models.common import INIT_SCALE, Config, HandParams, Params, convert_two_level, next_token_loss
from tenure import initializers, nn

INIT = initializers.RandomNormal(INIT_SCALE)


def layer_norm(name: str | None = None) -> nn.LayerNorm:
    return nn.LayerNorm(axis=-1, create_scale=True, create_offset=True, name=name)


class Layer(tn.Module):
    """Attention and MLP, each behind a norm and beside a residual connection."""

    def __init__(self, config: Config, name: str | None = None):
        super().__init__(name=name)
        self.config = config

    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        c = self.config
        h = layer_norm("norm_1")(x)
        x = x + nn.MultiHeadAttention(c.heads, c.d_head, w_init=INIT, name="attention")(h, h, h, mask)
        h = layer_norm("norm_2")(x)
        h = jax.nn.gelu(nn.Linear(c.d_ff, w_init=INIT, name="up")(h))
        return x + nn.Linear(c.d_model, w_init=INIT, name="down")(h)


class Transformer(tn.Module):
    """Tokens [batch, length] -> logits [batch, length, vocab]."""

    def __init__(self, config: Config, name: str | None = "lm"):
        super().__init__(name=name)
        self.config = config

    def __call__(self, tokens: jax.Array) -> jax.Array:
        c = self.config
        embed = nn.Embed(c.vocab, c.d_model, w_init=INIT, name="embed")
        x = embed(tokens) + tn.get_parameter("positions", (c.length, c.d_model), init=INIT)
        mask = jnp.tril(jnp.ones((1, 1, c.length, c.length), bool))
        if c.stacked:
            x = tn.layer_stack(c.layers, name="stack")(lambda x: Layer(c, "layer")(x, mask))(x)
        else:
            for i in range(c.layers):
                x = Layer(c, f"layer_{i}")(x, mask)
        head = nn.Linear(c.vocab, with_bias=False, share={"w": "embed/embeddings | transpose"}, name="head")
        return head(layer_norm("norm")(x))


class Model:
    """See `benchmarks.models.Peer`."""

    needs_template = False

    def __init__(self, config: Config):
        self.config = config
        self.model = tn.without_apply_rng(tn.transform(lambda tokens: Transformer(config)(tokens)))

    def init(self, key: jax.Array) -> Params:
        c = self.config
        return self.model.init(key, jax.ShapeDtypeStruct((c.batch, c.length), jnp.int32))

    def loss(self, params: Params, tokens: jax.Array) -> jax.Array:
        return next_token_loss(self.model.apply(params, tokens[:, :-1]), tokens[:, 1:])

    def convert(self, params: HandParams) -> Params:
        return convert_two_level(params, self.config)
