"""Parts of words that are drawn at random, so that training sees a word in more than one form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tenure.training.errors import DataSetError
from tenure.training.vocab.words import Vocabulary


@dataclass
class _Node:
    """A beginning of labels.

    Attributes:
      text: the beginning.
      next: by the character that follows.
      whole: this is a label that ends here.
      inner: with the mark of parts that go on, this is a label.
    """

    text: str = ""
    next: dict[str, _Node] = field(default_factory=dict)
    whole: bool = False
    inner: bool = False

    def step(self, step: str) -> _Node:
        """The beginning with some more text, made if it is new."""
        return self.next.setdefault(step, _Node(self.text + step))


@dataclass(frozen=True)
class _State:
    """How far a word has been read: the parts until now, the beginning of the next one, and the position."""

    parts: tuple[str, ...]
    node: _Node
    position: int


class SamplingBytePairEncoding(Vocabulary):
    """Segments words by the labels alone: the longest parts first, or, at random, shorter ones. Options as of `Vocabulary`, and:

    Args:
      vocab_file: labels.
      breadth_prob: how often a part ends where it could go on: 0 takes the longest parts, 1 the shortest.
      label_postfix_merge_symbol: what labels that are not the last part of a word end in; "@@" if `word_prefix_symbol` is not given either.
      word_prefix_symbol: what the first part of a word begins with instead, such as "▁".
    """

    def __init__(
        self,
        vocab_file: str,
        breadth_prob: float,
        *,
        label_postfix_merge_symbol: Any = ...,
        word_prefix_symbol: Any = ...,
        **options: Any,
    ):
        super().__init__(vocab_file, **options)
        self.breadth_prob = breadth_prob
        self.random = np.random.RandomState(0)
        unsaid = label_postfix_merge_symbol is ... and word_prefix_symbol is ...
        self.postfix = "@@" if unsaid else None if label_postfix_merge_symbol is ... else label_postfix_merge_symbol
        self.prefix = None if word_prefix_symbol is ... else word_prefix_symbol
        if self.prefix is not None and self.postfix is not None:
            raise DataSetError(
                f"SamplingBytePairEncoding has label_postfix_merge_symbol {self.postfix!r} and word_prefix_symbol {self.prefix!r}",
                ways=["name the one that the labels have"],
            )
        self._root = self._tree()
        if self.prefix is not None and self.prefix not in self._root.next:
            raise DataSetError(f"vocabulary '{self.name}': no label begins with word_prefix_symbol {self.prefix!r}")

    def _tree(self) -> _Node:
        root = _Node()
        for label in filter(None, self.labels):
            node, rest = root, label
            while rest:
                if node is root and self.prefix and rest.startswith(self.prefix):
                    step = self.prefix
                else:
                    step = rest if rest == self.postfix else rest[0]
                node.inner |= rest == self.postfix
                node, rest = node.step(step), rest[len(step) :]
            node.whole = True
        return root

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

    def _segments(self, word: str, random: np.random.RandomState) -> Sequence[str]:
        """The parts of a word: a search in depth that looks first at a part that goes on, or, at random, at one that ends."""
        found: Sequence[str] = ()
        states = [_State((), self._root if self.prefix is None else self._root.next[self.prefix], 0)]
        while states and not found:
            following = self._following(word, states.pop())
            if random.random_sample() <= self.breadth_prob:
                following.reverse()
            states += [state for state in following if state.position < len(word)]
            for state in following:
                if state.position == len(word) and state.node.whole:
                    found = (*state.parts, state.node.text)
        if not found and self.unknown_label is None:
            raise DataSetError(
                f"vocabulary '{self.name}': the word {word!r} has no parts that are labels, and there is no unknown_label"
            )
        return found or (str(self.unknown_label),)

    def _following(self, word: str, state: _State) -> list[_State]:
        """After the next character: the part ended before it, or goes on."""
        node, char, position = state.node, word[state.position], state.position + 1
        ended = [f"{node.text}{self.postfix}"] if node.inner else []
        if self.prefix is not None and node.whole:
            ended.append(node.text)
        start, longer = self._root.next.get(char), node.next.get(char)
        found = [_State((*state.parts, part), start, position) for part in ended if start is not None]
        return found if longer is None else [*found, _State(state.parts, longer, position)]
