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
        ({"labels": ["a"], "unknown_label": "?"}, "has no label '\\?', its unknown_label"),
        (
            {"labels": ["a"], "unknown_label": None, "control_symbols": {"x": "b"}},
            "has no label 'b', its control_symbols 'x'",
        ),
    ],
)
def test_what_is_wrong_is_told(options, says):
    with pytest.raises(DataSetError, match=says):
        vocabulary(options)
    vocab = vocabulary({"labels": ["a"], "unknown_label": None})
    with pytest.raises(DataSetError, match="has no label 'x', and no unknown_label"):
        vocab.get_seq("a x")


def test_labels_of_a_function_and_labels_that_are_none():
    vocab = vocabulary(
        {"labels": lambda: ["a", "?"], "unknown_label": "?", "bos_label": -1, "user_defined_symbols": {"x": 0}}
    )
    assert vocab.get_seq("b a") == [1, 0] and vocab.bos_label_id is None


def test_of_labels_that_are_there_twice_the_last_one_counts():
    assert vocabulary({"labels": ["a", "b", "a"], "unknown_label": None}).get_seq("a") == [2]
    by_index = vocabulary({"labels": {"b": 0, "a": 1, "B": 1}, "unknown_label": None})
    assert by_index.labels == ["b", "a"] and by_index.get_seq("B a") == [1, 1]


def test_labels_with_spaces_are_found_only_where_single_spaces_are_said_to_divide():
    labels = {"labels": ["the", "the cat", "cat", "", "UNK"]}
    assert vocabulary(labels).get_seq("the cat") == [0, 2]
    vocab = vocabulary({**labels, "single_whitespace_split": True})
    assert vocab.get_seq("the cat cat  the dog") == [0, 2, 2, 3, 0, 4, 3]
    assert vocabulary({"labels": ["the cat", "the", "UNK"], "single_whitespace_split": True}).get_seq(
        "the cat the"
    ) == [0, 1]


def test_a_file_of_special_symbols(tmp_path):
    given = {
        "labels": ["a", "b"],
        "special_symbols_via_file": written(tmp_path, "s", "{'unknown_label': 'b', 'bos_label': 0}"),
    }
    assert vocabulary(given).get_seq("x") == [1] and vocabulary({**given, "bos_label": 1}).bos_label_id == 1
    with pytest.raises(DataSetError, match="unknown key 'unk_label'"):
        vocabulary({"labels": ["a"], "special_symbols_via_file": written(tmp_path, "s", "{'unk_label': 'a'}")})


def test_a_vocabulary_without_labels_is_told():
    for given in ({}, {"vocab_file": ""}):
        with pytest.raises(DataSetError, match="needs 'vocab_file' or 'labels'"):
            vocabulary(given)


def test_labels_that_are_not_all_texts():
    assert vocabulary({"labels": {"a": 1, 7: 0, "b": 2}, "unknown_label": None}).labels == [7, "a", "b"]
