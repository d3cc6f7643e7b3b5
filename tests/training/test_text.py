"""Texts before they become labels."""

import pytest

from tenure.training.errors import DataSetError
from tenure.training.text import cleaner, parse_orthography


@pytest.mark.parametrize(
    ("option", "text", "expected"),
    [
        (None, "A  b", "A  b"),
        ("basic_cleaners", "A \t B", "a b"),
        ("lowercase_keep_special", "Hello [NOISE] <UNK> You", "hello [NOISE] <UNK> you"),
        ("expand_abbreviations", "Dr. Smith, dry.", "doctor Smith, dry."),
        ("convert_to_ascii", "Käse ß", "Kase "),
        ("lowercase, get_replace('a', 'o'), collapse_whitespace", "A  A", "o o"),
        ("get_remove_chars('.,!')", "a,b ! c.", "a b c"),
        (["lowercase", str.strip], " A ", "a"),
    ],
)
def test_cleaners(option, text, expected):
    assert cleaner(option)(text) == expected


@pytest.mark.parametrize("option", ["lowrcase", 3])
def test_what_is_no_cleaner(option):
    with pytest.raises(DataSetError, match="orth_post_process"):
        cleaner(option)


def test_symbols_of_an_orthography():
    assert parse_orthography("a (b) [noise]") == ["a", " ", "b", " ", "[NOISE]", "[END]"]
    assert parse_orthography("ab  [x [y]] c", word_based=True, prefix=["<s>"], postfix=[]) == [
        "<s>",
        "ab",
        "[X [Y]]",
        "c",
    ]
    assert parse_orthography("[x]", square_brackets_for_specials=False, postfix=[]) == ["[", "x", "]"]
    assert parse_orthography(" a ", collapse_spaces=False, final_strip=False, postfix=[]) == [" ", "a", " "]
    assert parse_orthography("a [open", postfix=[]) == ["a", " ", "[OPEN"]


def test_words_and_special_symbols_without_spaces_between():
    words = {"word_based": True, "postfix": []}
    assert parse_orthography("a[b]c [d] e", **words) == ["a", "[B]c", "[D]", "e"]
    assert parse_orthography("a  b", collapse_spaces=False, **words) == ["a", "", "b"]
    assert parse_orthography("[a [b] c", postfix=[]) == ["[A [B] C"]


def test_white_space_at_the_ends_is_taken_away():
    assert cleaner("collapse_whitespace")(" a \n b ") == "a b"
    assert cleaner("expand_abbreviations")("Mrs. and Ms. X") == "misses and miss X"
