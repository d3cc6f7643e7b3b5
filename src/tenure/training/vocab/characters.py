"""Characters and bytes as labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tenure.training.vocab.words import Label, Vocabulary


class CharacterTargets(Vocabulary):
    """Every character is a label. Options as of `Vocabulary`.

    >>> CharacterTargets(labels=["a", "b", "@"]).get_seq("abc")
    [0, 1, 2]
    """

    joint = ""

    def __init__(self, vocab_file: str | None = None, *, unknown_label: Label = "@", **options: Any):
        super().__init__(vocab_file, unknown_label=unknown_label, **options)

    def tokens(self, text: str) -> Iterable[str]:
        return text


class Utf8ByteTargets(Vocabulary):
    """Every byte of the text in UTF-8 is a label.

    Args:
      seq_postfix: indices that are added at the end of every sequence.
    """

    def __init__(self, seq_postfix: Sequence[int] | None = None, **options: Any):
        super().__init__(labels=[chr(i) for i in range(256)], unknown_label=None, seq_postfix=seq_postfix, **options)

    def get_seq(self, text: str, seed: int | None = None) -> list[int]:
        return [*text.encode("utf-8"), *self.seq_postfix]

    def get_seq_labels(self, indices: Iterable[int]) -> str:
        return bytes(int(index) for index in indices).decode("utf-8", "replace")
