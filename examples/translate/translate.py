"""Sentences in, translations out: beam search with a trained model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tenure.functional.decoding import beam_search

from .batches import LENGTHS, bucket, pad
from .model import Translator
from .vocabulary import BOS, EOS, PAD, Vocabulary

SHAPES = (16, LENGTHS[-1])
"""Source lengths that the search is compiled for."""


def make_search(model: Translator, beam: int, alpha: float = 1.0) -> Callable[[Any, jax.Array], jax.Array]:
    """``(params, source [B, S]) -> pieces [B, T]``, with T twice S or the longest bucket."""

    @jax.jit
    def search(params: Any, source: jax.Array) -> jax.Array:
        length = min(2 * source.shape[1], LENGTHS[-1])

        def step(pieces: jax.Array, position: jax.Array, cache: Any) -> tuple[jax.Array, Any]:
            logits, cache = model.step(params, pieces, position, cache)
            logits = logits.at[:, jnp.array([PAD, BOS])].set(-jnp.inf)
            return jax.nn.log_softmax(logits), cache

        return beam_search(
            step,
            model.start(params, source, length),
            sentences=source.shape[0],
            beam=beam,
            length=length,
            bos=BOS,
            eos=EOS,
            alpha=alpha,
        )[0]

    return search


def translate(search: Any, params: Any, vocabulary: Vocabulary, texts: Sequence[str], count: int = 64) -> list[str]:
    """Translates `texts`, `count` at a time, those of about the same length together."""
    sources = [[*vocabulary.encode(text), EOS] for text in texts]
    too_long = [text for text, source in zip(texts, sources, strict=True) if len(source) > SHAPES[-1]]
    if too_long:
        raise ValueError(f"longer than {SHAPES[-1]} pieces: {too_long[0]!r}")
    done: dict[int, str] = {}
    for shape in SHAPES:
        here = [row for row, source in enumerate(sources) if bucket(len(source), SHAPES) == shape]
        here.sort(key=lambda row: len(sources[row]))
        for start in range(0, len(here), count):
            rows = here[start : start + count]
            filled = [sources[row] for row in rows] + [[EOS]] * (count - len(rows))
            pieces = np.asarray(search(params, pad(filled, count, shape)))
            done |= {row: vocabulary.decode(line) for row, line in zip(rows, pieces, strict=False)}
    return [done[row] for row in range(len(texts))]
