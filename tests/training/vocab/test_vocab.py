"""Vocabularies: texts to labels and back, in real files; what is drawn depends on the seed alone."""

import pickle

import pytest

from tenure.training.data.classes import dataset
from tenure.training.errors import DataSetError
from tenure.training.vocab import vocabulary

CODES = "#version: 0.2\nl o\nlo w</w>\ne r</w>\nn e\nne w\n"
PARTS = ["<unk>", "low", "lo@@", "l@@", "o@@", "w", "new@@", "ne@@", "n@@", "e@@", "w@@", "er", "r"]


def written(folder, name, content):
    path = folder / name
    path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content)
    return str(path)


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


def test_characters_and_bytes():
    characters = vocabulary({"class": "CharacterTargets", "labels": ["a", " ", "ü", "@"]})
    assert characters.get_seq("a üb") == [0, 1, 2, 3] and characters.get_seq_labels([0, 2]) == "aü"
    utf8 = vocabulary({"class": "Utf8ByteTargets", "seq_postfix": [0]})
    assert utf8.get_seq("aü") == [97, 195, 188, 0] and utf8.get_seq_labels([97, 195, 188]) == "aü"


def bpe(folder, **options):
    labels = written(folder, "vocab", "\n".join(PARTS))
    return vocabulary({"vocab_file": labels, "unknown_label": "<unk>", **options})


def test_byte_pairs_join_in_their_order(tmp_path):
    vocab = bpe(tmp_path, bpe_file=written(tmp_path, "codes", CODES))
    assert [vocab.labels[i] for i in vocab.get_seq("low newer lx")] == ["low", "new@@", "er", "l@@", "<unk>"]
    with pytest.raises(DataSetError, match="codes': a line is two parts of words, not 'x'"):
        bpe(tmp_path, bpe_file=written(tmp_path, "codes", "x\n"))


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


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    sentencepiece = pytest.importorskip("sentencepiece")
    folder = tmp_path_factory.mktemp("pieces")
    text = folder / "text"
    text.write_text("the low tower is newer than the lower tower\nnew towers are lower\n" * 20)
    prefix = str(folder / "m")
    trainer = sentencepiece.SentencePieceTrainer
    trainer.train(input=str(text), model_prefix=prefix, vocab_size=30, hard_vocab_limit=False, minloglevel=2)
    return f"{prefix}.model"


def test_sentence_pieces(pieces, tmp_path):
    vocab = vocabulary({"class": "SentencePieces", "model_file": pieces, "add_eos": True})
    found = vocab.get_seq("the lower tower")
    assert found[-1] == vocab.eos_label_id
    assert "".join(vocab.labels[i] for i in found[:-1]).replace("▁", " ").strip() == "the lower tower"
    sampled = vocabulary({"class": "SentencePieces", "model_file": pieces, "enable_sampling": True, "alpha": 0.1})
    drawn = [sampled.get_seq("the lower tower", seed) for seed in range(20)]
    assert len({tuple(one) for one in drawn}) > 2
    assert drawn == [sampled.get_seq("the lower tower", seed) for seed in range(20)]
    with pytest.raises(DataSetError, match="no SentencePiece model"):
        vocabulary({"class": "SentencePieces", "model_file": written(tmp_path, "x.model", b"no model")})


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
