"""Byte-pair encoding: words as the parts that their most frequent pairs of characters make (Sennrich et al., 2016)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
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

    A part that is no label is taken apart again, as `subword-nmt apply-bpe --vocabulary` does. Words between "$name {" and "}"
    are not segmented, nor is "$name".
    """

    def __init__(self, vocab_file: str, bpe_file: str, **options: Any):
        super().__init__(vocab_file, **options)
        self.codes, self._parts = Codes.read(bpe_file), frozenset(self.labels)
        self._known: dict[str, list[str]] = {}

    def tokens(self, text: str) -> Iterable[str]:
        named = inside = False
        for word in text.split():
            if word[0] == "$" and len(word) > 1:
                named = True
                yield word
            elif (named and word[0] == "{") or (inside and word[0] != "}"):
                inside = True
                yield word
            else:
                named = inside = False
                yield from self._segmented(word)

    def _segmented(self, word: str) -> list[str]:
        if word not in self._known:
            self._known[word] = segments(word, self.codes, self._parts)
        return self._known[word]


@dataclass(frozen=True)
class Codes:
    """The pairs that are joined.

    Attributes:
      ranks: their order.
      ends_apart: the end of a word is a part of its own at first, as in files of version 0.1; else it belongs to the last character.
    """

    ranks: Mapping[tuple[str, ...], int]
    ends_apart: bool = False

    @classmethod
    def read(cls, path: str) -> Codes:
        """Reads a file.

        Raises:
          DataSetError: a line is no pair, or the version is not known.
        """
        lines = read_text(path, "bpe_file").splitlines()
        version = "0.1"
        if lines and lines[0].startswith("#version:"):
            version = re.sub(r"(\.0+)*$", "", lines.pop(0).split()[-1])
        if version not in ("0.1", "0.2"):
            raise DataSetError(f"bpe_file '{path}' is of version {version}; versions 0.1 and 0.2 are known")
        ranks: dict[tuple[str, ...], int] = {}  # in reverse order, and of equal pairs the first counts
        for number, line in reversed(list(enumerate(lines))):
            parts = line.split()
            if parts and len(parts) != 2:
                raise DataSetError(f"bpe_file '{path}': a line is two parts of words, not {line!r}")
            ranks[tuple(parts)] = number
        return cls(ranks, ends_apart=version == "0.1")

    @cached_property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """What each part was joined of: of several pairs that make it, the last one in `ranks`, which is the first one of a file."""
        return {"".join(pair): pair for pair in self.ranks if pair}


def segments(word: str, codes: Codes, labels: Container[str] | None = None) -> list[str]:
    """The parts of a word.

    Args:
      word: without white space.
      codes: the pairs that are joined.
      labels: parts that are none of these are taken apart again; None leaves all as they are.

    >>> codes = Codes({("l", "o"): 0, ("lo", "w</w>"): 1})
    >>> segments("low", codes), segments("lot", codes), segments("low", codes, ["lo@@", "w"])
    (['low'], ['lo@@', 't'], ['lo@@', 'w'])
    """
    parts = [*word, _END] if codes.ends_apart else [*word[:-1], word[-1] + _END]
    if len(parts) == 1:
        return [word]
    parts = _joined(parts, codes.ranks)
    if parts[-1] == _END:
        parts.pop()
    else:
        parts[-1] = parts[-1].replace(_END, "")
    if labels is not None:
        inner = [small for part in parts[:-1] for small in _smaller(part, codes, labels, last=False)]
        parts = [*inner, *_smaller(parts[-1], codes, labels, last=True)]
    return [f"{part}@@" for part in parts[:-1]] + [parts[-1]]


def _joined(parts: list[str], ranks: Mapping[tuple[str, ...], int]) -> list[str]:
    while len(parts) > 1:
        pairs = [ranks.get(pair, len(ranks)) for pair in itertools.pairwise(parts)]
        best = min(pairs)
        if best == len(ranks):
            break
        first = parts[pairs.index(best)], parts[pairs.index(best) + 1]
        parts = _join(parts, first)
    return parts


def _join(parts: list[str], pair: tuple[str, str]) -> list[str]:
    joined, i = [], 0
    while i < len(parts):
        if tuple(parts[i : i + 2]) == pair:
            joined.append("".join(pair))
            i += 2
        else:
            joined.append(parts[i])
            i += 1
    return joined


def _smaller(part: str, codes: Codes, labels: Container[str], *, last: bool) -> Iterator[str]:
    """A part, or, if it is no label, what it was joined of, as far as that is known."""
    pair = codes.parts.get(part + _END if last else part)
    if (part if last else f"{part}@@") in labels or pair is None:
        yield part
        return
    left, right = pair
    yield from _smaller(left, codes, labels, last=False)
    yield from _smaller(right[: -len(_END)] if last else right, codes, labels, last=last)
