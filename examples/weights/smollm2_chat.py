"""Text for SmolLM2: `python -m examples.weights.smollm2_chat "What is gravity?"`. The vocabulary is in the GGUF file."""

from __future__ import annotations

import functools
import sys
from typing import Any

import jax
import jax.numpy as jnp

import tenure as tn
from examples.weights.fetch import fetch
from examples.weights.smollm2 import FILE, caches, load
from tenure import convert

Params = dict[str, dict[str, Any]]

END = 2
TEMPLATE = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


@functools.cache
def tokenizer() -> Any:
    """The file's byte-level pieces, by the package `tokenizers`."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    about = convert.read(fetch("smollm2") / FILE).about
    pieces = about["tokenizer.ggml.tokens"]
    merges = [tuple(pair.split(" ")) for pair in about["tokenizer.ggml.merges"]]
    made = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges))
    digits = pre_tokenizers.Split(Regex(r"\d"), "isolated")
    made.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    made.decoder = decoders.ByteLevel()
    special = [p for p, kind in zip(pieces, about["tokenizer.ggml.token_type"], strict=True) if kind == 3]
    made.add_special_tokens([AddedToken(piece, special=True) for piece in special])
    return made


def greedy(model: tn.Transformed, params: Params, prompt: list[int], count: int) -> list[int]:
    """The likeliest tokens after a prompt, up to the end or `count`."""
    step = jax.jit(model.apply, donate_argnums=3)
    logits, cache = step(params, None, jnp.array([prompt]), caches(len(prompt) + count))
    found: list[int] = []
    for position in range(len(prompt), len(prompt) + count):
        found.append(int(jnp.argmax(logits[0, -1])))
        if found[-1] == END or len(found) == count:
            break
        logits, cache = step(params, None, jnp.array([found[-1:]]), cache, position)
    return found


if __name__ == "__main__":
    prompt = tokenizer().encode(TEMPLATE.format(" ".join(sys.argv[1:]) or "What is gravity?")).ids
    print(tokenizer().decode(greedy(*load(), prompt, 60)))
