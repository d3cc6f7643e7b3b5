"""LibriSpeech's layout, with audio of our own: folders and zip files, and the orders that RETURNN has for these lengths."""

import zipfile

import numpy as np
import pytest

from tenure.training.data.classes import dataset
from tenure.training.errors import DataSetError

soundfile = pytest.importorskip("soundfile")
CHAPTERS = {  # lengths of transcriptions
    ("train-clean-100", 103, 1240): [11, 36, 18, 38, 5],
    ("train-clean-100", 103, 1241): [28, 33, 25],
    ("train-other-500", 20, 205): [7, 4, 12, 25],
    ("dev-clean", 84, 12): [6],
}
ALL = [11, 36, 18, 38, 5, 28, 33, 25, 7, 4, 12, 25]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A folder with the parts as folders, and as zip files beside them."""
    root = tmp_path_factory.mktemp("libri")
    for (part, speaker, chapter), lengths in CHAPTERS.items():
        folder = root / "LibriSpeech" / part / str(speaker) / str(chapter)
        folder.mkdir(parents=True)
        lines = []
        for number, length in enumerate(lengths):
            name = f"{speaker}-{chapter}-{number:04}"
            lines.append(f"{name} {'A' * length}\n")
            samples = np.sin(np.arange(160 * length) * 0.01 * (number + 1))
            soundfile.write(folder / f"{name}.flac", samples * 0.5, 16000)
        (folder / f"{speaker}-{chapter}.trans.txt").write_text("".join(lines))
    for part in {part for part, _, _ in CHAPTERS}:
        with zipfile.ZipFile(root / f"{part}.zip", "w") as file:
            for path in sorted((root / "LibriSpeech" / part).rglob("*.*")):
                file.write(path, path.relative_to(root))
    return root


def made(corpus, **options):
    return dataset({"class": "LibriSpeechCorpus", "path": str(corpus), "prefix": "train", "use_zip": True, **options})


def lengths(data, epoch=1):
    return [len(str(data.load(int(index), epoch).data["raw"])) for index in data.epoch(epoch).indices]


@pytest.mark.parametrize(
    ("options", "epochs"),
    [
        ({}, [ALL]),
        ({"seq_ordering": "laplace:2", "partition_epoch": 2}, [[5, 12, 18, 33, 36, 38], [28, 25, 25, 11, 7, 4]]),
        ({"fixed_random_subset": 5}, [[12, 4, 11, 7, 28]]),
        ({"fixed_random_subset": 0.5}, [[12, 4, 11, 7, 28, 18]]),
        ({"seq_ordering": "random", "fixed_random_seed": 1}, [[18, 38, 5, 12, 36, 33, 11, 25, 25, 4, 7, 28]] * 2),
        ({"epoch_wise_filter": {(1, 1): {"max_mean_len": 20}}}, [[4, 5, 7, 11, 12, 18, 25], ALL]),
        ({"epoch_wise_filter": {(1, 1): {"max_mean_len": 5}}}, [[4, 5]]),
        ({"epoch_wise_filter": {(1, 1): {"max_mean_len": 8, "use_new_filter": True}}}, [[11, 18, 5, 7, 4, 12]]),
        ({"epoch_wise_filter": {(2, 5): {"subdirs": ["train-other-500"]}}}, [ALL, [7, 4, 12, 25]]),
    ],
)
def test_the_order_is_returnns(corpus, options, epochs):
    data = made(corpus, **options)
    assert [lengths(data, epoch) for epoch in range(1, len(epochs) + 1)] == epochs


def test_folders_and_zip_files_have_the_same_sequences(corpus):
    audio = {"features": "mfcc", "num_feature_filters": 13}
    packed = made(corpus, audio=audio)
    plain = made(corpus / "LibriSpeech", audio=audio, use_zip=False)
    assert packed.tags == plain.tags and packed.tags[5] == "train-clean-100-103-1241-0000"
    for a, b in zip(packed.epoch(1), plain.epoch(1), strict=True):
        np.testing.assert_array_equal(a.data["data"], b.data["data"])
    assert packed.epoch(1)[0].data["data"].shape == (12, 13)


def test_transcriptions_are_labels(corpus, tmp_path):
    vocab = tmp_path / "vocab"
    vocab.write_text(repr({"<unk>": 0, "A": 1}))
    data = made(corpus, prefix="dev", chars={"vocab_file": str(vocab), "unknown_label": "<unk>"})
    assert data.epoch(1)[0].data["classes"].tolist() == [1] * 6 and data.streams["classes"].dim == 2
    with pytest.raises(DataSetError, match="'targets' and 'chars'|targets and chars"):
        made(corpus, targets={"class": "Utf8ByteTargets"}, chars={"vocab_file": str(vocab)})


def test_what_is_missing_or_damaged_is_named(corpus, tmp_path):
    with pytest.raises(DataSetError, match=r"(?s)no zip file 'tset\*.zip'.*dev-clean.zip"):
        made(corpus, prefix="tset")
    with pytest.raises(DataSetError, match="there is no folder"):
        made(corpus / "nowhere")
    with pytest.raises(DataSetError, match="no transcriptions of parts that begin with 'train'"):
        made(corpus, use_zip=False)
    (tmp_path / "train-clean-100.zip").write_bytes(b"PK no zip")
    with pytest.raises(DataSetError, match="'.*train-clean-100.zip' is no zip file"):
        made(tmp_path)
    folder = tmp_path / "train-a" / "1" / "2"
    folder.mkdir(parents=True)
    (folder / "1-2.trans.txt").write_text("1-2-0000 YES\n3-2-0001 NO\n")
    with pytest.raises(DataSetError, match=r"line 2 of 'train-a/1/2/1-2.trans.txt' of .* is '3-2-0001 NO'"):
        made(tmp_path, use_zip=False)
    (folder / "1-2.trans.txt").write_text("1-2-0000 YES\n")
    data = made(tmp_path, use_zip=False, audio={"features": "raw"})
    with pytest.raises(DataSetError, match="has no 'train-a/1/2/1-2-0000.flac'"):
        data.epoch(1)[0]
    (folder / "1-2-0000.flac").write_bytes(b"no audio")
    with pytest.raises(DataSetError, match="1-2-0000.flac' cannot be read"):
        data.epoch(1)[0]
