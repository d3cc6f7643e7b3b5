"""Parts of words that are drawn at random, so that training sees a word in more than one form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tenure.training.errors import DataSetError
from tenure.training.vocab.words import Vocabulary


@dataclass(frozen=True)
class _State:
    """How far a word has been read: the parts until now, where the current one started, and where it is."""

    parts: tuple[str, ...]
    start: int
    position: int


class SamplingBytePairEncoding(Vocabulary):
    """Segments words by the labels alone: the longest parts first, or, at random, shorter ones. Options as of `Vocabulary`, and:

    Args:
      vocab_file: labels; all but a word's last part end in "@@".
      breadth_prob: how often a part ends where it could go on: 0 takes the longest parts, 1 the shortest.
    """

    def __init__(self, vocab_file: str, breadth_prob: float = 0.0, **options: Any):
        super().__init__(vocab_file, **options)
        self.breadth_prob = breadth_prob
        self.random = np.random.RandomState(0)
        inner = {label.removesuffix("@@") for label in self.labels if label.endswith("@@")}
        whole = {label for label in self.labels if not label.endswith("@@")}
        self._inner, self._whole = inner, whole
        self._prefixes = {part[:i] for part in inner | whole for i in range(1, len(part) + 1)}

    def set_random_seed(self, seed: int) -> None:
        self.random = np.random.RandomState(seed)

    def get_seq(self, text: str, seed: int | None = None) -> list[int]:
        random = self.random if seed is None else np.random.RandomState(seed)
        return [self._id(part) for part in self._drawn(text, random)] + self.seq_postfix

    def tokens(self, text: str) -> Iterable[str]:
        return self._drawn(text, self.random)

    def _drawn(self, text: str, random: np.random.RandomState) -> Iterable[str]:
        for word in text.split():
            yield from self._segments(word, random)

    def _segments(self, word: str, random: np.random.RandomState) -> list[str]:
        choices = [[_State((), 0, 0)]]
        while choices:
            shorter = random.random_sample() < self.breadth_prob
            group = choices[-1]
            state = group.pop(0 if shorter else -1)
            if not group:
                choices.pop()
            if state.position == len(word) - 1:
                part = word[state.start :]
                if part in self._whole:
                    return [*state.parts, part]
                continue
            following = self._following(word, state)
            if following:
                choices.append(following)
        if self.unknown_label is None:
            raise DataSetError(
                f"vocabulary '{self.name}': the word {word!r} has no parts that are labels, and there is no unknown_label"
            )
        return [self.unknown_label]

    def _following(self, word: str, state: _State) -> list[_State]:
        """After the next character: the part ends, or goes on; both if both are possible, in this order."""
        position = state.position + 1
        part = word[state.start : position]
        found = []
        if part in self._inner and word[position] in self._prefixes:
            found.append(_State((*state.parts, f"{part}@@"), position, position))
        if word[state.start : position + 1] in self._prefixes:
            found.append(_State(state.parts, state.start, position))
        return found
