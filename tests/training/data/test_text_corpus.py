"""Texts as data: symbols of files, and what is put in their place."""

import pytest

from tenure.training.data.classes import dataset
from tenure.training.errors import DataSetError
from tests.training.vocab.files import written


def data_of(tmp_path, text, symbols, **options):
    return dataset(
        {
            "class": "LmDataset",
            "corpus_file": written(tmp_path, "text", text),
            "orth_symbols_map_file": written(tmp_path, "symbols", symbols),
            **options,
        }
    )


def sequences(data):
    return [item.data["data"].tolist() for item in data.epoch(1)]


def test_symbols_of_lines_and_of_a_dictionary(tmp_path):
    words = {"word_based": True, "seq_end_symbol": None}
    assert sequences(data_of(tmp_path, "b a\n", "a 0\nb 1\n", **words)) == [[1, 0]]
    assert sequences(data_of(tmp_path, "b a\n", "{'a': 0, 'b': 1}", **words)) == [[1, 0]]


def test_symbols_are_replaced_and_spaces_in_a_row_are_one(tmp_path):
    symbols = "".join(f"{s} {i}\n" for i, s in enumerate(["|", "a", "e", "[END]"]))
    replaced = written(tmp_path, "replace", '{"é": "ee", "[NOISE]": ""}')
    data = data_of(tmp_path, "é [noise] a\n", symbols, word_end_symbol="|", orth_replace_map_file=replaced)
    assert sequences(data) == [[2, 2, 0, 1, 0, 3]]
    data = data_of(tmp_path, "a a\n", symbols, word_end_symbol="|", parse_orth_opts={"postfix": []})
    assert sequences(data) == [[1, 0, 1]]
    with pytest.raises(DataSetError, match="no option 'postfiks'"):
        data_of(tmp_path, "a\n", symbols, parse_orth_opts={"postfiks": []})


def test_empty_lines_are_sequences_if_they_are_wanted(tmp_path):
    assert sequences(data_of(tmp_path, "a\n\na\n", "a 0\n[END] 1\n", skip_empty_lines=False)) == [[0, 1], [1], [0, 1]]
