"""How good the texts of a search are: word and character errors, BLEU and chrF."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tenure.training.errors import TrainingError

_MARKS = re.compile(r"</?[sS]>")  # of the start and the end of a sentence


@dataclass(frozen=True)
class TextScores:
    """Scores of hypotheses, each in percent.

    Attributes:
      wer: words that are wrong, missing or too many, by the words of the references.
      cer: likewise of characters.
      bleu: BLEU of the whole corpus, as sacrebleu has it.
      chrf: chrF2 of the whole corpus, likewise.
      sequences: how many were compared.
    """

    wer: float
    cer: float
    bleu: float
    chrf: float
    sequences: int

    def __str__(self) -> str:
        rates = f"WER {self.wer:.2f}% CER {self.cer:.2f}% BLEU {self.bleu:.2f} chrF {self.chrf:.2f}"
        return f"{rates} of {self.sequences} sequences"


def scores(references: Sequence[str], hypotheses: Sequence[str]) -> TextScores:
    """Compares texts.

    Args:
      references: what is right.
      hypotheses: what was found, in the same order.

    Returns:
      The scores. Rates of errors are infinite where the references have no words and hypotheses do.

    Raises:
      TrainingError: nothing is there to compare, or a package is not installed.

    >>> print(scores(["a b c d", "e f"], ["a b c x", "e f"]))
    WER 16.67% CER 10.00% BLEU 62.87 chrF 52.08 of 2 sequences
    """
    try:
        import jiwer
        import sacrebleu
    except ImportError as error:
        raise TrainingError(
            f"scores of texts need the package {error.name!r}",
            ways=["pip install 'tenure[train]'", "search_scores = False"],
        ) from None
    if not references:
        raise TrainingError("there are no texts to compare", ways=["search_data with sequences"])
    given, found = list(references), list(hypotheses)
    words, characters = jiwer.process_words(given, found), jiwer.process_characters(given, found)
    return TextScores(
        _rate(words, sum(map(len, words.references))),
        _rate(characters, sum(map(len, characters.references))),
        sacrebleu.corpus_bleu(found, [given], force=True).score,
        sacrebleu.corpus_chrf(found, [given]).score,
        len(given),
    )


def _rate(compared: object, length: int) -> float:
    wrong = sum(getattr(compared, kind) for kind in ("substitutions", "deletions", "insertions"))
    return 100.0 * wrong / length if length else (float("inf") if wrong else 0.0)


def words(text: str, labels: Sequence[str] | None) -> str:
    """The words of a text of labels: parts of words are joined, and marks of sentences left out.

    Args:
      text: labels with spaces between.
      labels: all labels of the vocabulary; they tell what parts of words look like. None: labels are words.

    >>> words("new@@ er words </s>", ["er", "new@@", "words", "</s>"])
    'newer words'
    >>> words("▁new er ▁words", ["▁new", "er", "▁words"])
    'newer words'
    >>> words("a b   c", ["a", "b", "c", " "])
    'ab c'
    """
    kept = _MARKS.sub("", text)
    if labels is None:
        return " ".join(kept.split())
    kind = kind_of(labels)
    if kind == "pieces":
        kept = kept.replace(" ", "").replace("▁", " ")
    elif kind == "bpe":
        kept = re.sub(r"@@( |$)", "", kept)
    elif kind == "characters":
        kept = kept.replace("   ", "\0").replace(" ", "").replace("\0", " ")
    return " ".join(kept.split())


def kind_of(labels: Iterable[str]) -> str:
    """What labels are: "pieces" of SentencePiece, "bpe", "characters" with one for the space between words, or "words".

    >>> kind_of(["a", "b", " ", "<unk>"]), kind_of(["0", "1"])
    ('characters', 'words')
    """
    plain = [label for label in labels if not re.fullmatch(r"[<\[].*[>\]]", label)]
    if any(label.startswith("▁") for label in plain):
        return "pieces"
    if any(label.endswith("@@") for label in plain):
        return "bpe"
    return "characters" if " " in plain and all(len(label) == 1 for label in plain) else "words"
