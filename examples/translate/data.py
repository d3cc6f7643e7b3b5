"""From the cache folder to batches: pairs, the split, the pieces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .batches import LENGTHS, Batches, Example, encode
from .corpus import Pair, load_pairs, read_table
from .options import Options
from .split import Split, split_pairs
from .vocabulary import Vocabulary, load_vocabulary


@dataclass(frozen=True)
class Data:
    """Everything that is trained and tested on."""

    vocabulary: Vocabulary
    train: Batches
    valid: Batches
    test: list[Pair]
    about: str


def load_data(options: Options) -> Data:
    """Loads, splits and encodes the pairs; sentences over 64 pieces are left out.

    Raises:
      CorpusError: there are no pairs and they cannot be downloaded.
    """
    pairs = read_table(options.pairs) if options.pairs else load_pairs(folder(options))
    split = split_pairs(pairs, options.held_out)
    texts = (text for pair in split.train for text in pair[1:])
    vocabulary = load_vocabulary(options.out / "vocabulary.model", texts, options.vocabulary)
    train, _ = _short(split.train, vocabulary)
    valid, _ = _short(split.valid, vocabulary)
    test, kept = _short(split.test, vocabulary)
    return Data(
        vocabulary,
        Batches(train, options.tokens, options.seed),
        Batches(valid, options.tokens, options.seed),
        kept,
        _describe(split, vocabulary, [train, valid, test]),
    )


def folder(options: Options) -> Path:
    """Where the download and the pairs are kept."""
    return options.cache / "translate"


def _short(pairs: list[Pair], vocabulary: Vocabulary) -> tuple[list[Example], list[Pair]]:
    examples = zip(encode(pairs, vocabulary), pairs, strict=True)
    kept = [(example, pair) for example, pair in examples if example.length <= LENGTHS[-1]]
    return [example for example, _ in kept], [pair for _, pair in kept]


def _describe(split: Split, vocabulary: Vocabulary, parts: list[list[Example]]) -> str:
    numbers = [len(part) for part in parts]
    left_out = len(split.train) + len(split.valid) + len(split.test) - sum(numbers)
    pieces = sum(len(example.target) + 1 for example in parts[0])
    return (
        f"data: {numbers[0]:,} pairs to train on ({pieces:,} German pieces), {numbers[1]} for "
        f"validation, {numbers[2]} for the test\n"
        f"      whole components are held out; {split.dropped} pairs with a held-out sentence and "
        f"{left_out} longer than {LENGTHS[-1]} pieces are left out\n"
        f"      {len(vocabulary):,} pieces, shared by both languages"
    )
