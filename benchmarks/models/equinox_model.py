"""The Transformer in Equinox."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from benchmarks.models.common import INIT_SCALE, Config, HandParams, Params, next_token_loss, stack_trees


class Layer(eqx.Module):
    """Attention and MLP, each behind a norm and beside a residual connection; x is [length, d_model]."""

    norm_1: eqx.nn.LayerNorm
    attention: eqx.nn.MultiheadAttention
    norm_2: eqx.nn.LayerNorm
    up: eqx.nn.Linear
    down: eqx.nn.Linear

    def __init__(self, config: Config, *, key: jax.Array):
        c = config
        attention_key, up_key, down_key = jax.random.split(key, 3)
        self.norm_1 = eqx.nn.LayerNorm(c.d_model)
        self.attention = eqx.nn.MultiheadAttention(
            c.heads,
            c.d_model,
            use_query_bias=True,
            use_key_bias=True,
            use_value_bias=True,
            use_output_bias=True,
            key=attention_key,
        )
        self.norm_2 = eqx.nn.LayerNorm(c.d_model)
        self.up = eqx.nn.Linear(c.d_model, c.d_ff, key=up_key)
        self.down = eqx.nn.Linear(c.d_ff, c.d_model, key=down_key)

    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        h = jax.vmap(self.norm_1)(x)
        x = x + self.attention(h, h, h, mask)
        return x + jax.vmap(self.mlp)(jax.vmap(self.norm_2)(x))

    def mlp(self, x: jax.Array) -> jax.Array:
        return self.down(jax.nn.gelu(self.up(x)))


class Transformer(eqx.Module):
    """Tokens [length] -> logits [length, vocab]."""

    embed: eqx.nn.Embedding
    positions: jax.Array
    layers: Layer | list[Layer]
    norm: eqx.nn.LayerNorm
    config: Config = eqx.field(static=True)

    def __init__(self, config: Config, *, key: jax.Array):
        c = config
        embed_key, position_key, layers_key = jax.random.split(key, 3)
        keys = jax.random.split(layers_key, c.layers)
        self.config = c
        self.embed = eqx.nn.Embedding(weight=INIT_SCALE * jax.random.normal(embed_key, (c.vocab, c.d_model)))
        self.positions = INIT_SCALE * jax.random.normal(position_key, (c.length, c.d_model))
        if c.stacked:
            self.layers = eqx.filter_vmap(lambda k: Layer(c, key=k))(keys)
        else:
            self.layers = [Layer(c, key=k) for k in keys]
        self.norm = eqx.nn.LayerNorm(c.d_model)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        x = jax.vmap(self.embed)(tokens) + self.positions
        mask = jnp.tril(jnp.ones((self.config.length, self.config.length), bool))
        return jax.vmap(self.norm)(self._run_layers(x, mask)) @ self.embed.weight.T

    def _run_layers(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        if not self.config.stacked:
            for layer in self.layers:
                x = layer(x, mask)
            return x
        dynamic, static = eqx.partition(self.layers, eqx.is_array)
        return jax.lax.scan(lambda x, d: (eqx.combine(d, static)(x, mask), None), x, dynamic)[0]


def linears(model: Transformer) -> list[eqx.nn.Linear]:
    leaves = jax.tree.leaves(model, is_leaf=lambda m: isinstance(m, eqx.nn.Linear))
    return [m for m in leaves if isinstance(m, eqx.nn.Linear)]


def normal_weights(model: Transformer, key: jax.Array) -> Transformer:
    """Equinox's layers take no initialiser: redraw after building, as its documentation shows."""
    weights = [m.weight for m in linears(model)]
    keys = jax.random.split(key, len(weights))
    drawn = [INIT_SCALE * jax.random.normal(k, w.shape) for k, w in zip(keys, weights, strict=True)]
    zeros = [jnp.zeros_like(m.bias) for m in linears(model)]
    model = eqx.tree_at(lambda m: [x.weight for x in linears(m)], model, drawn)
    return eqx.tree_at(lambda m: [x.bias for x in linears(m)], model, zeros)


def layer_values(p: HandParams) -> list[jax.Array]:
    """The values of a layer, in the order of `layer_leaves`; Equinox keeps matrices as (out, in)."""
    dense = [*(p["attention"][name] for name in ("query", "key", "value", "out")), p["up"], p["down"]]
    norms = [p["norm_1"], p["norm_2"]]
    return [a for q in dense for a in (q["w"].T, q["b"])] + [a for q in norms for a in (q["scale"], q["offset"])]


def layer_leaves(m: Layer) -> list[jax.Array]:
    a = m.attention
    dense = [a.query_proj, a.key_proj, a.value_proj, a.output_proj, m.up, m.down]
    return [x for q in (*dense, m.norm_1, m.norm_2) for x in (q.weight, q.bias)]


def model_leaves(m: Transformer) -> list[jax.Array]:
    layers = [m.layers] if m.config.stacked else m.layers
    return [m.embed.weight, m.positions, m.norm.weight, m.norm.bias, *(x for q in layers for x in layer_leaves(q))]


class Model:
    """See `benchmarks.models.Peer`. ``init`` keeps the static half that ``loss`` combines the parameters with."""

    needs_template = True

    def __init__(self, config: Config):
        self.config = config
        self.static: Transformer | None = None

    def build(self, key: jax.Array) -> Transformer:
        model_key, weights_key = jax.random.split(key)
        return normal_weights(Transformer(self.config, key=model_key), weights_key)

    def init(self, key: jax.Array) -> Params:
        params, self.static = eqx.partition(self.build(key), eqx.is_array)
        return params

    def loss(self, params: Params, tokens: jax.Array) -> jax.Array:
        model = eqx.combine(params, self.static)
        return next_token_loss(jax.vmap(model)(tokens[:, :-1]), tokens[:, 1:])

    def convert(self, params: HandParams) -> Params:
        template = eqx.filter_eval_shape(self.build, jax.random.key(0))
        layers = [layer_values(p) for p in params["layers"]]
        if self.config.stacked:
            layers = [stack_trees(layers)]
        norm = params["norm"]
        values = [params["embed"], params["positions"], norm["scale"], norm["offset"], *(a for q in layers for a in q)]
        model = eqx.tree_at(model_leaves, template, values)
        converted, self.static = eqx.partition(model, eqx.is_array)
        return converted
