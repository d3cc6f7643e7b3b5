"""Byte-pair encoding: words as the parts that their most frequent pairs of characters make (Sennrich et al., 2016)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from tenure.training.errors import DataSetError
from tenure.training.literals import read_text
from tenure.training.vocab.words import Vocabulary

_END = "</w>"


class BytePairEncoding(Vocabulary):
    """Parts of words; all but a word's last one end in "@@". Options as of `Vocabulary`, and:

    Args:
      vocab_file: labels.
      bpe_file: the pairs that are joined, in their order, as `subword-nmt learn-bpe` writes them.
    """

    def __init__(self, vocab_file: str, bpe_file: str, **options: Any):
        super().__init__(vocab_file, **options)
        self.ranks = _codes(bpe_file)
        self._known: dict[str, list[str]] = {}

    def tokens(self, text: str) -> Iterable[str]:
        for word in text.split():
            if word not in self._known:
                self._known[word] = segments(word, self.ranks)
            yield from self._known[word]


def segments(word: str, ranks: dict[tuple[str, str], int]) -> list[str]:
    """The parts of a word.

    >>> segments("low", {("l", "o"): 0})
    ['lo@@', 'w']
    """
    parts = [*word[:-1], word[-1] + _END]
    while len(parts) > 1:
        pairs = [ranks.get(pair, len(ranks)) for pair in itertools.pairwise(parts)]
        best = min(pairs)
        if best == len(ranks):
            break
        parts = _join(parts, pairs, best)
    return [f"{part}@@" for part in parts[:-1]] + [parts[-1].removesuffix(_END)]


def _join(parts: list[str], pairs: list[int], rank: int) -> list[str]:
    joined, i = [], 0
    while i < len(parts):
        if i < len(pairs) and pairs[i] == rank:
            joined.append(parts[i] + parts[i + 1])
            i += 2
        else:
            joined.append(parts[i])
            i += 1
    return joined


def _codes(path: str) -> dict[tuple[str, str], int]:
    lines = [line for line in read_text(path, "bpe_file").splitlines() if line and not line.startswith("#version")]
    ranks: dict[tuple[str, str], int] = {}
    for number, line in enumerate(lines):
        parts = line.split(" ")
        if len(parts) < 2:
            raise DataSetError(f"bpe_file '{path}': a line is two parts of words, not {line!r}")
        ranks.setdefault((parts[0], parts[1]), number)
    return ranks
