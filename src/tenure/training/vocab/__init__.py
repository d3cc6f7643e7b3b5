"""Vocabularies: texts to label indices and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenure.training.vocab.bpe import BytePairEncoding
from tenure.training.vocab.characters import CharacterTargets, Utf8ByteTargets
from tenure.training.vocab.pieces import SentencePieces
from tenure.training.vocab.sampling import SamplingBytePairEncoding
from tenure.training.vocab.words import Vocabulary

CLASSES: dict[str, type[Vocabulary]] = {
    cls.__name__: cls
    for cls in (
        Vocabulary,
        CharacterTargets,
        Utf8ByteTargets,
        BytePairEncoding,
        SamplingBytePairEncoding,
        SentencePieces,
    )
}


def vocabulary(options: Mapping[str, Any]) -> Vocabulary:
    """A vocabulary from its options, as configs write them.

    Args:
      options: "class" (else "BytePairEncoding" where there is a "bpe_file", "Vocabulary" elsewhere), and those of the class.

    Raises:
      DataSetError: the class is not known, an option is none of it, or a file cannot be read.

    >>> vocabulary({"class": "Utf8ByteTargets"}).get_seq("é")
    [195, 169]
    """
    return Vocabulary.create_vocab(**options)


__all__ = ["CLASSES", "Vocabulary", "vocabulary"]
