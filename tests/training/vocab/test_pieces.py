"""SentencePiece models, as the library trains them."""

import pytest

from tenure.training.errors import DataSetError
from tenure.training.vocab import vocabulary
from tests.training.vocab.files import written


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
