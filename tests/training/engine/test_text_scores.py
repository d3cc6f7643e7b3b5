"""How good the texts of a search are."""

import math

import pytest

from tenure.training.engine.text_scores import kind_of, scores, words
from tenure.training.errors import TrainingError


def test_rates_are_of_all_words():
    found = scores(["a b c", "d"], ["a x c", "d e"])
    assert found.wer == pytest.approx(50) and found.sequences == 2 and "WER 50.00%" in str(found)
    perfect = scores(["a b c d e"], ["a b c d e"])
    assert (perfect.wer, perfect.cer) == (0, 0) and perfect.bleu == pytest.approx(100) == perfect.chrf
    assert scores([""], [""]).wer == 0 and scores([""], ["a"]).wer == math.inf
    with pytest.raises(TrainingError, match="no texts to compare"):
        scores([], [])


@pytest.mark.parametrize(
    ("labels", "kind", "text", "expected"),
    [
        (["▁a", "b", "<s>"], "pieces", "▁a b ▁a </s>", "ab a"),
        (["a@@", "b"], "bpe", "a@@ b b a@@", "ab b a"),
        (["a", "b", " ", "<unk>"], "characters", "a b   b", "ab b"),
        (["one", "two"], "words", "<s> one  two", "one two"),
    ],
)
def test_words_of_labels(labels, kind, text, expected):
    assert kind_of(labels) == kind and words(text, labels) == expected
    assert words(" x  y ", None) == "x y"
