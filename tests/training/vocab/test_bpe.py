"""Byte pairs join in their order."""

import pytest

from tenure.training.errors import DataSetError
from tenure.training.vocab import vocabulary
from tenure.training.vocab.bpe import Codes, segments
from tests.training.vocab.files import bpe, written

CODES = "#version: 0.2\nl o\nlo w</w>\ne r</w>\nn e\nne w\n"


def test_byte_pairs_join_in_their_order(tmp_path):
    vocab = bpe(tmp_path, bpe_file=written(tmp_path, "codes", CODES))
    assert [vocab.labels[i] for i in vocab.get_seq("low newer lx")] == ["low", "new@@", "er", "l@@", "<unk>"]
    with pytest.raises(DataSetError, match="codes': a line is two parts of words, not 'x'"):
        bpe(tmp_path, bpe_file=written(tmp_path, "codes", "x\n"))
    with pytest.raises(DataSetError, match="of version 0.3"):
        bpe(tmp_path, bpe_file=written(tmp_path, "codes", "#version: 0.3\n"))


def test_parts_that_are_no_labels_are_taken_apart_again():
    codes = Codes({("l", "o"): 0, ("lo", "w"): 1, ("low", "er</w>"): 2, ("e", "r</w>"): -1})
    assert segments("lower", codes) == ["lower"] and segments("lower", codes, ["low@@", "er"]) == ["low@@", "er"]
    assert segments("lower", codes, ["lo@@", "w@@", "e@@", "r"]) == ["lo@@", "w@@", "e@@", "r"]
    assert segments("lower", codes, ["er"]) == ["l@@", "o@@", "w@@", "er"]


def test_files_without_a_version_have_ends_of_words_apart(tmp_path):
    codes = Codes.read(written(tmp_path, "codes", "t </w>\na t</w>\n"))
    assert codes.ends_apart and segments("cat", codes) == ["c@@", "at"] and segments("ta", codes) == ["t@@", "a"]


def test_categories_are_left_as_they_are(tmp_path):
    codes = written(tmp_path, "codes", "#version: 0.2\n")
    vocab = vocabulary(
        {"bpe_file": codes, "vocab_file": written(tmp_path, "v", "$num\n{\nab\n}\na@@\nb\n?\n"), "unknown_label": "?"}
    )
    assert [vocab.labels[i] for i in vocab.get_seq("ab $num { ab } ab")] == "a@@ b $num { ab } a@@ b".split()
