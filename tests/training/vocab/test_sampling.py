"""Parts of words that are drawn, by the seed alone."""

import pytest

from tenure.training.data.classes import dataset
from tenure.training.errors import DataSetError
from tenure.training.vocab import vocabulary
from tests.training.vocab.files import bpe, written


def test_sampled_parts_join_to_the_word_and_depend_on_the_seed_alone(tmp_path):
    vocab = bpe(tmp_path, **{"class": "SamplingBytePairEncoding", "breadth_prob": 0.6})
    drawn = [vocab.get_seq("low newer", seed) for seed in range(30)]
    for found in drawn:
        assert "".join(vocab.labels[i] for i in found).replace("@@", "") == "lownewer"
    assert len({tuple(found) for found in drawn}) > 2
    assert [vocab.get_seq("low newer", seed) for seed in reversed(range(30))] == drawn[::-1]


def test_a_data_set_draws_by_epoch_and_sequence_in_whatever_order_it_is_asked(tmp_path):
    bpe(tmp_path)
    corpus = written(tmp_path, "corpus", "low newer\n" * 6)
    options = {
        "class": "SamplingBytePairEncoding",
        "vocab_file": str(tmp_path / "vocab"),
        "breadth_prob": 0.6,
        "unknown_label": "<unk>",
    }
    data = [dataset({"class": "LmDataset", "corpus_file": corpus, "orth_vocab": options}) for _ in range(2)]
    forwards = [data[0].load(i, epoch).data["data"].tolist() for epoch in (1, 2) for i in range(6)]
    backwards = [data[1].load(i, epoch).data["data"].tolist() for epoch in (2, 1) for i in reversed(range(6))]
    assert forwards == backwards[::-1] and len({tuple(found) for found in forwards}) > 2


def test_the_longest_and_the_shortest_parts_by_marks_behind_and_in_front():
    def parts(labels, text, **options):
        given = {
            "class": "SamplingBytePairEncoding",
            "vocab_file": None,
            "labels": labels,
            "unknown_label": None,
            **options,
        }
        vocab = vocabulary(given)
        return [vocab.labels[i] for i in vocab.get_seq(text)]

    behind = ["a@@", "b@@", "ab@@", "c", "bc"]
    assert parts(behind, "abc", breadth_prob=0.0) == ["ab@@", "c"]
    assert parts(behind, "abc", breadth_prob=1.0) == ["a@@", "b@@", "c"]
    front = ["_", "_a", "_ab", "b", "bc", "c"]
    assert parts(front, "abc", breadth_prob=0.0, word_prefix_symbol="_") == ["_ab", "c"]
    assert parts(front, "abc", breadth_prob=1.0, word_prefix_symbol="_") == ["_a", "b", "c"]
    assert parts(["a+", "b"], "ab", breadth_prob=0.0, label_postfix_merge_symbol="+") == ["a+", "b"]
    with pytest.raises(DataSetError, match="word_prefix_symbol '_'"):
        parts(front, "abc", breadth_prob=0.0, word_prefix_symbol="_", label_postfix_merge_symbol="@@")
    with pytest.raises(DataSetError, match="no label begins with"):
        parts(behind, "abc", breadth_prob=0.0, word_prefix_symbol="_")
