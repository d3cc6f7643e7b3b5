"""Byte pairs join in their order."""

import pytest

from tenure.training.errors import DataSetError
from tests.training.vocab.files import bpe, written

CODES = "#version: 0.2\nl o\nlo w</w>\ne r</w>\nn e\nne w\n"


def test_byte_pairs_join_in_their_order(tmp_path):
    vocab = bpe(tmp_path, bpe_file=written(tmp_path, "codes", CODES))
    assert [vocab.labels[i] for i in vocab.get_seq("low newer lx")] == ["low", "new@@", "er", "l@@", "<unk>"]
    with pytest.raises(DataSetError, match="codes': a line is two parts of words, not 'x'"):
        bpe(tmp_path, bpe_file=written(tmp_path, "codes", "x\n"))
