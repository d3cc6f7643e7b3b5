"""The Transformer in flax.linen."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn

from benchmarks.models.common import EPSILON, INIT_SCALE, Config, HandParams, Params, next_token_loss, stack_trees

INIT = nn.initializers.normal(INIT_SCALE)


class Layer(nn.Module):
    """Attention and MLP, each behind a norm and beside a residual connection."""

    config: Config

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        c = self.config
        h = nn.LayerNorm(epsilon=EPSILON, name="norm_1")(x)
        attention = nn.MultiHeadDotProductAttention(c.heads, kernel_init=INIT, name="attention")
        x = x + attention(h, mask=mask)
        h = nn.LayerNorm(epsilon=EPSILON, name="norm_2")(x)
        h = nn.gelu(nn.Dense(c.d_ff, kernel_init=INIT, name="up")(h))
        return x + nn.Dense(c.d_model, kernel_init=INIT, name="down")(h)


class ScannedLayer(nn.Module):
    """`Layer` as the body of ``nn.scan``: carry in, (carry, output) out."""

    config: Config

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array) -> tuple[jax.Array, None]:
        return Layer(self.config, name="layer")(x, mask), None


class Transformer(nn.Module):
    """Tokens [batch, length] -> logits [batch, length, vocab]."""

    config: Config

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        c = self.config
        embed = nn.Embed(c.vocab, c.d_model, embedding_init=INIT, name="embed")
        x = embed(tokens) + self.param("positions", INIT, (c.length, c.d_model))
        mask = nn.make_causal_mask(tokens[:1], dtype=bool)
        if c.stacked:
            stack = nn.scan(
                ScannedLayer,
                variable_axes={"params": 0},
                split_rngs={"params": True},
                in_axes=nn.broadcast,
                length=c.layers,
            )
            x, _ = stack(c, name="stack")(x, mask)
        else:
            for i in range(c.layers):
                x = Layer(c, name=f"layer_{i}")(x, mask)
        return embed.attend(nn.LayerNorm(epsilon=EPSILON, name="norm")(x))


def convert_linear(p: HandParams) -> Params:
    return {"kernel": p["w"], "bias": p["b"]}


def convert_norm(p: HandParams) -> Params:
    return {"scale": p["scale"], "bias": p["offset"]}


def convert_attention(p: HandParams, heads: int) -> Params:
    """Flax keeps the heads as an axis of the kernels."""

    def split(q: HandParams) -> Params:
        return {"kernel": q["w"].reshape(q["w"].shape[0], heads, -1), "bias": q["b"].reshape(heads, -1)}

    out = {"kernel": p["out"]["w"].reshape(heads, -1, p["out"]["w"].shape[-1]), "bias": p["out"]["b"]}
    return {name: split(p[name]) for name in ("query", "key", "value")} | {"out": out}


def convert_layer(p: HandParams, config: Config) -> Params:
    return {
        "norm_1": convert_norm(p["norm_1"]),
        "attention": convert_attention(p["attention"], config.heads),
        "norm_2": convert_norm(p["norm_2"]),
        "up": convert_linear(p["up"]),
        "down": convert_linear(p["down"]),
    }


class Model:
    """See `benchmarks.models.Peer`."""

    needs_template = False

    def __init__(self, config: Config):
        self.config = config
        self.model = Transformer(config)

    def init(self, key: jax.Array) -> Params:
        return self.model.init(key, jnp.zeros((1, self.config.length), jnp.int32))

    def loss(self, params: Params, tokens: jax.Array) -> jax.Array:
        return next_token_loss(self.model.apply(params, tokens[:, :-1]), tokens[:, 1:])

    def convert(self, params: HandParams) -> Params:
        layers = [convert_layer(p, self.config) for p in params["layers"]]
        out = {
            "positions": params["positions"],
            "embed": {"embedding": params["embed"]},
            "norm": convert_norm(params["norm"]),
        }
        if self.config.stacked:
            return {"params": out | {"stack": {"layer": stack_trees(layers)}}}
        return {"params": out | {f"layer_{i}": p for i, p in enumerate(layers)}}
