"""The Transformer in flax.nnx, through its functional API (split, merge)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from benchmarks.models.common import EPSILON, INIT_SCALE, Config, HandParams, Params, next_token_loss, stack_trees
from benchmarks.models.linen_model import convert_layer, convert_norm

INIT = nnx.initializers.normal(INIT_SCALE)


class Layer(nnx.Module):
    """Attention and MLP, each behind a norm and beside a residual connection."""

    def __init__(self, config: Config, *, rngs: nnx.Rngs):
        c = config
        self.norm_1 = nnx.LayerNorm(c.d_model, epsilon=EPSILON, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(c.heads, c.d_model, kernel_init=INIT, decode=False, rngs=rngs)
        self.norm_2 = nnx.LayerNorm(c.d_model, epsilon=EPSILON, rngs=rngs)
        self.up = nnx.Linear(c.d_model, c.d_ff, kernel_init=INIT, rngs=rngs)
        self.down = nnx.Linear(c.d_ff, c.d_model, kernel_init=INIT, rngs=rngs)

    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        x = x + self.attention(self.norm_1(x), mask=mask)
        return x + self.down(nnx.gelu(self.up(self.norm_2(x))))


def stacked_layers(config: Config, rngs: nnx.Rngs) -> Layer:
    """One `Layer` whose parameters have a leading axis."""

    @nnx.split_rngs(splits=config.layers)
    @nnx.vmap(in_axes=0, out_axes=0)
    def create(rngs: nnx.Rngs) -> Layer:
        return Layer(config, rngs=rngs)

    return create(rngs)


class Transformer(nnx.Module):
    """Tokens [batch, length] -> logits [batch, length, vocab]."""

    def __init__(self, config: Config, *, rngs: nnx.Rngs):
        c = config
        self.config = c
        self.embed = nnx.Embed(c.vocab, c.d_model, embedding_init=INIT, rngs=rngs)
        self.positions = nnx.Param(INIT(rngs.params(), (c.length, c.d_model)))
        if c.stacked:
            self.layers = stacked_layers(c, rngs)
        else:
            self.layers = nnx.List([Layer(c, rngs=rngs) for _ in range(c.layers)])
        self.norm = nnx.LayerNorm(c.d_model, epsilon=EPSILON, rngs=rngs)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        x = self.embed(tokens) + self.positions
        mask = nnx.make_causal_mask(tokens[:1], dtype=bool)
        return self.embed.attend(self.norm(self._run_layers(x, mask)))

    def _run_layers(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        if not self.config.stacked:
            for layer in self.layers:
                x = layer(x, mask)
            return x

        @nnx.scan(in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
        def run(x: jax.Array, layer: Layer) -> jax.Array:
            return layer(x, mask)

        return run(x, self.layers)


class Model:
    """See `benchmarks.models.Peer`. ``init`` keeps the graph that ``loss`` merges the parameters into."""

    needs_template = True

    def __init__(self, config: Config):
        self.config = config
        self.graph: nnx.GraphDef | None = None

    def init(self, key: jax.Array) -> Params:
        self.graph, params = nnx.split(Transformer(self.config, rngs=nnx.Rngs(params=key)), nnx.Param)
        return params

    def loss(self, params: Params, tokens: jax.Array) -> jax.Array:
        model = nnx.merge(self.graph, params)
        return next_token_loss(model(tokens[:, :-1]), tokens[:, 1:])

    def convert(self, params: HandParams) -> Params:
        layers = [convert_layer(p, self.config) for p in params["layers"]]
        values = {
            "positions": params["positions"],
            "embed": {"embedding": params["embed"]},
            "norm": convert_norm(params["norm"]),
            "layers": stack_trees(layers) if self.config.stacked else dict(enumerate(layers)),
        }
        template = nnx.eval_shape(lambda: Transformer(self.config, rngs=nnx.Rngs(params=jax.random.key(0))))
        self.graph, state = nnx.split(template, nnx.Param)
        nnx.replace_by_pure_dict(state, jax.tree.map(jnp.asarray, values))
        return state
