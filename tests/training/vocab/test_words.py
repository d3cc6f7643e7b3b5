"""Words, from every form of file."""

import pickle

import pytest

from tenure.training.errors import DataSetError
from tenure.training.vocab import vocabulary
from tests.training.vocab.files import written

FORMS = {
    "lines": ("v.txt", "a\nb\nUNK\n"),
    "a dictionary": ("v", "{'a': 0, 'b': 1, 'UNK': 2}"),
    "a list": ("v", "['a', 'b', 'UNK']"),
    "a pickle": ("v.pkl", pickle.dumps({"a": 0, "b": 1, "UNK": 2})),
}


@pytest.mark.parametrize("form", FORMS)
def test_words_from_every_form_of_file(tmp_path, form):
    vocab = vocabulary({"class": "Vocabulary", "vocab_file": written(tmp_path, *FORMS[form])})
    assert vocab.labels == ["a", "b", "UNK"] and vocab.get_seq("b  x a") == [1, 2, 0]
    assert vocab.get_seq_labels([1, 0]) == "b a"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"class": "Vocabluary", "labels": []}, "(?s)'Vocabluary' is not known.*Vocabulary"),
        ({"labels": ["a"], "unknown_label": "b"}, "has no label 'b', its unknown_label"),
        ({"labels": ["a"], "unknown_label": None, "num_labels": 2}, "has 1 labels, and num_labels is 2"),
        ({"labels": ["a"], "unknown_label": None, "eos_label": 5}, "eos_label is 5, and there are 1 labels"),
        ({"vocab_file": "nowhere"}, "vocab_file 'nowhere' does not exist"),
        ({"labels": {"a": 0, "b": 2}, "unknown_label": None}, "its indices are not 0 to 1"),
        ({}, "needs 'vocab_file' or 'labels'"),
    ],
)
def test_what_is_wrong_is_told(options, says):
    with pytest.raises(DataSetError, match=says):
        vocabulary(options)
    vocab = vocabulary({"labels": ["a"], "unknown_label": None})
    with pytest.raises(DataSetError, match="has no label 'x', and no unknown_label"):
        vocab.get_seq("a x")
