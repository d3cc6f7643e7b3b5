"""Parts of words that are drawn, by the seed alone."""

from tenure.training.data.classes import dataset
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
