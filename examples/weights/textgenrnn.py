"""textgenrnn: the next character by two LSTMs and an average over time. Weights: the package `textgenrnn`, Keras HDF5."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import tenure as tn
from examples.weights.fetch import fetch
from tenure import convert, nn

Params = dict[str, dict[str, Any]]

LENGTH, RULES = 40, Path(__file__).with_name("textgenrnn.toml")


def next_character(characters: jax.Array) -> jax.Array:
    """The logits [B, 465] of what follows characters [B, 40], which are padded with 0 at their start."""
    outputs = [nn.Embed(465, 100, name="embed")(characters)]
    for i in (1, 2):
        core = nn.LSTM(128, name=f"lstm_{i}", forget_bias=0)
        outputs.append(nn.dynamic_unroll(core, outputs[-1], core.initial_state(len(characters)), time_major=False)[0])
    seen = jnp.concatenate(outputs, -1)
    weights = jax.nn.softmax(nn.Linear(1, with_bias=False, name="attention")(seen), axis=1)
    return nn.Linear(465, name="output")(jnp.sum(weights * seen, axis=1))


def load() -> tuple[tn.Transformed, Params, dict[str, int]]:
    """The model, its params, and {character: number}."""
    model, folder = tn.transform(next_character), fetch("textgenrnn")
    params = convert.load(folder / "textgenrnn_weights.hdf5", RULES, model.plan(jnp.zeros((1, LENGTH), int)))
    return model, params, json.loads((folder / "textgenrnn_vocab.json").read_text())


def encode(vocabulary: dict[str, int], text: str) -> jax.Array:
    """The last 40 characters [1, 40] of a text, after its start."""
    numbers = [vocabulary.get(c, 0) for c in ["<s>", *text]][-LENGTH:]
    return jnp.array([[0] * (LENGTH - len(numbers)) + numbers])


def write(model: tn.Transformed, params: Params, vocabulary: dict[str, int], text: str, count: int = 60) -> str:
    """A text, continued by the likeliest characters."""
    characters = {number: character for character, number in vocabulary.items()}
    step = jax.jit(lambda p, x: jnp.argmax(model.apply(p, None, x)[0]))
    for _ in range(count):
        found = characters.get(int(step(params, encode(vocabulary, text))), "<s>")
        if found == "<s>":
            break
        text += found
    return text


if __name__ == "__main__":
    import sys

    print(write(*load(), " ".join(sys.argv[1:]) or "What is the best "))
