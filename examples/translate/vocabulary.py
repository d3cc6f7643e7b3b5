"""One list of subword pieces for both languages.

Sharing one embedding matrix between source and target needs shared pieces. Names
and units (``MQTT``, ``kWh``) are the same in both languages, so one list
also lets the model copy. Characters that training never saw fall back to bytes.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path

import sentencepiece

PAD, BOS, EOS, UNKNOWN = 0, 1, 2, 3


class Vocabulary:
    """Text to piece numbers and back.

    >>> vocabulary = Vocabulary(train_pieces(["ein Haus", "a house"], size=280))
    >>> vocabulary.decode(vocabulary.encode("a Haus"))
    'a Haus'
    """

    def __init__(self, model: bytes):
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)

    def __len__(self) -> int:
        return self._processor.get_piece_size()

    def encode(self, text: str) -> list[int]:
        """The pieces of `text`, without begin and end of sentence."""
        pieces: list[int] = self._processor.encode(text)
        return pieces

    def decode(self, pieces: Iterable[int]) -> str:
        """The text up to the first end of sentence; padding is skipped."""
        kept: list[int] = []
        for piece in map(int, pieces):
            if piece == EOS:
                break
            if piece not in (PAD, BOS):
                kept.append(piece)
        text: str = self._processor.decode(kept)
        return text


def train_pieces(texts: Iterable[str], size: int) -> bytes:
    """Learns at most `size` pieces from `texts`; equal texts give equal pieces."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=written,
        vocab_size=size,
        hard_vocab_limit=False,
        model_type="bpe",
        byte_fallback=True,
        normalization_rule_name="identity",
        max_sentence_length=100_000,
        minloglevel=2,
        pad_id=PAD,
        bos_id=BOS,
        eos_id=EOS,
        unk_id=UNKNOWN,
    )
    return written.getvalue()


def load_vocabulary(path: Path, texts: Iterable[str], size: int) -> Vocabulary:
    """Reads the pieces at `path`, or learns them from `texts` and writes them there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".tmp")
        temporary.write_bytes(train_pieces(texts, size))
        os.replace(temporary, path)
    return Vocabulary(path.read_bytes())
