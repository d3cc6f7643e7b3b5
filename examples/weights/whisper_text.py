"""Whisper's decoding: the likeliest token that the rules allow, window after window, as in the paper (section 4.5).

The rules are OpenAI's (whisper/decoding.py), with one hypothesis and temperature 0: timestamps come in pairs and do not go
back, and when they are likelier in sum than any word, one of them follows.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import tenure as tn
from examples.weights import whisper
from examples.weights.fetch import fetch
from examples.weights.whisper_audio import features, window
from tenure import convert

END, START, PREVIOUS, SILENCE, NO_TIMES = 50256, 50257, 50360, 50361, 50362
TIMES = NO_TIMES + 1  # the token of 0.00 seconds; each further one is 0.02 seconds later
LATEST_START = 50  # steps of 0.02 seconds


class Heard(NamedTuple):
    """What was decoded of one window."""

    tokens: list[int]
    log_probability: float  # the mean of the tokens'
    silence: float  # the probability that nobody speaks


class Transcriber:
    """The model with its params.

    Attributes:
      plan: of the model; its ledger has the tie of the projection.
      params: {module: {name: array}}.
    """

    def __init__(self) -> None:
        self.plan, self.params = whisper.load()
        config = convert.read(fetch("whisper")).about["config"]
        self.never, self.not_first = np.array(config["suppress_ids"]), np.array(config["suppress_ids_begin"])
        heard = ("/attention/key", "/attention/value")  # what is heard goes through these once, at the start
        used = [m for m in self.params if m.startswith("decoder") and not m.endswith(heard)]
        self._decoder = {module: self.params[module] for module in used}
        self._start = jax.jit(tn.transform(whisper.start).apply)
        self._step = jax.jit(tn.transform(whisper.step).apply, donate_argnums=4)

    def __call__(self, sound: np.ndarray) -> str:
        """The text of a sound, float32 at 16 kHz."""
        whole = features(sound)
        at, end, said = 0, whole.shape[1] - 1, list[int]()
        while at < end:
            size = min(3000, end - at)
            prompt = [PREVIOUS, *said[-(whisper.LONGEST // 2 - 1) :]] if said else []
            heard = self.decode(window(whole, at, size), [*prompt, START])
            if heard.silence > 0.6 and heard.log_probability <= -1:
                at += size
                continue
            parts, step = split(heard.tokens, size)
            said += [token for part in parts for token in part]
            at += step
        return self._text(said)

    def decode(self, frames: np.ndarray, prompt: list[int]) -> Heard:
        """The tokens of a window of 30 seconds."""
        memories, logits, caches = self._start(self.params, None, frames, jnp.array([prompt]), whisper.empty_caches())
        first = np.asarray(logits[0, -1], np.float64)
        silence = float(np.exp(first[SILENCE] - np.logaddexp.reduce(first)))
        tokens, total = list[int](), 0.0
        for position in range(len(prompt), whisper.LONGEST):
            allowed = self._allowed(np.asarray(logits[0, -1], np.float64), tokens)
            token = int(allowed.argmax())
            total += float(allowed[token])
            if token == END:
                break
            tokens.append(token)
            if position < whisper.LONGEST - 1:
                logits, caches = self._step(self._decoder, None, jnp.array([[token]]), memories, caches, position)
        return Heard(tokens, total / (len(tokens) + 1), silence)

    def _allowed(self, logits: np.ndarray, tokens: list[int]) -> np.ndarray:
        """Logarithms of probabilities, -inf for what the rules forbid."""
        logits[self.never] = logits[NO_TIMES] = -np.inf
        if not tokens:
            logits[self.not_first] = -np.inf
            logits[:TIMES] = logits[TIMES + LATEST_START + 1 :] = -np.inf
        elif tokens[-1] >= TIMES:
            pair = len(tokens) < 2 or tokens[-2] >= TIMES
            logits[slice(TIMES, None) if pair else slice(0, END)] = -np.inf
        if times := [token for token in tokens if token >= TIMES]:
            logits[TIMES : times[-1]] = -np.inf
        logs = logits - np.logaddexp.reduce(logits)
        if np.logaddexp.reduce(logs[TIMES:]) > logs[:TIMES].max():
            logs[:TIMES] = -np.inf
            logs -= np.logaddexp.reduce(logs)
        found: np.ndarray = logs
        return found

    def _text(self, tokens: list[int]) -> str:
        text: str = tokenizer().decode([token for token in tokens if token < END]).strip()
        return text


def split(tokens: list[int], size: int) -> tuple[list[list[int]], int]:
    """The segments between pairs of timestamps, and how many frames further the next window starts.

    Args:
      tokens: of one window.
      size: its frames.
    """
    ends = [i for i in range(1, len(tokens)) if tokens[i] >= TIMES and tokens[i - 1] >= TIMES]
    closed = len(tokens) >= 2 and tokens[-2] < TIMES <= tokens[-1]
    if not ends:
        return _spoken([tokens]), size
    cuts = [0, *ends, *([len(tokens)] if closed else [])]
    parts = [tokens[a:b] for a, b in itertools.pairwise(cuts)]
    return _spoken(parts), size if closed else 2 * (tokens[cuts[-1] - 1] - TIMES)


def _spoken(parts: list[list[int]]) -> list[list[int]]:
    """The parts that take time and have words."""
    timed = [p for p in parts if not (len(p) > 1 and TIMES <= p[0] == p[-1])]
    return [p for p in timed if tokenizer().decode([t for t in p if t < END]).strip()]


@functools.cache
def tokenizer() -> Any:
    """The model's pieces, by the package `tokenizers`."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(fetch("whisper") / "tokenizer.json"))
