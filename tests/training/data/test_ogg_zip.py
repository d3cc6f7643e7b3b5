"""Archives of audio: lengths that are guessed from listed durations, and what may be wrong in the list."""

import io
import zipfile

import numpy as np
import pytest

from tenure.training.data.classes import dataset
from tenure.training.errors import DataSetError

soundfile = pytest.importorskip("soundfile")
TEXTS = ["yes", "no", "maybe so", "a", "good morning", "it rains"]
SAMPLES = [4000, 9001, 16000, 2500, 31999, 12345]


def archive(path, entries=None, rate=8000, count=len(TEXTS), file="a.zip"):
    """A zip file with noise."""
    random = np.random.RandomState(0)
    with zipfile.ZipFile(path / file, "w") as made:
        listed = []
        for number in range(count):
            text, samples = TEXTS[number % len(TEXTS)], SAMPLES[number % len(TEXTS)] + 80 * number
            content = io.BytesIO()
            soundfile.write(content, random.randn(samples) / 9, rate, format="WAV")
            made.writestr(f"a/{number}.wav", content.getvalue())
            listed.append({"text": text, "file": f"{number}.wav", "duration": round(samples / rate, 3)})
        made.writestr("a.txt", repr(listed if entries is None else entries))
    return {"class": "OggZipDataset", "path": str(path / file), "targets": {"class": "Utf8ByteTargets"}}


@pytest.mark.parametrize(
    "audio",
    [
        {"features": "mfcc", "num_feature_filters": 8},
        {"features": "raw"},
        {"features": "log_mel_filterbank", "step_len": 0.02, "with_delta": 1},
        {"features": "mfcc", "pre_process": lambda audio, **_: np.repeat(audio, 2)},
    ],
)
def test_guessed_lengths_are_near_those_of_the_data(tmp_path, audio):
    data = dataset({**archive(tmp_path), "audio": audio, "seq_ordering": "reverse"})
    assert data.guesses_lengths and not data.knows_lengths
    epoch = data.epoch(1)
    for place in range(len(epoch)):
        own, guess = epoch.lengths(place), epoch.guessed(place)
        assert own.of.keys() == guess.of.keys()
        assert all(own[key] == guess[key] for key in ("classes", "orth", "raw"))
        rounding = (
            0.001 * len(epoch[place].data["data"]) / (SAMPLES[5 - place] / 8000)
        )  # of durations, here and of the longest
        assert abs(own["data"] - guess["data"]) <= 1 + rounding


def test_data_sets_made_of_archives_guess_too(tmp_path):
    one = {**archive(tmp_path), "audio": {"features": "mfcc"}}
    meta = {"class": "MetaDataset", "datasets": {"a": one}, "data_map": {"data": ("a", "data"), "x": ("a", "classes")}}
    both = {
        "class": "CombinedDataset",
        "datasets": {"a": one, "b": one},
        "data_map": {(name, key): key for name in "ab" for key in ("data", "classes")},
    }
    joined = {"class": "ConcatDataset", "datasets": [one, one]}
    for options, count in (
        (meta, 6),
        (both, 12),
        (joined, 12),
        ({"class": "MultiEpochDataset", "multi_epoch": 2, "dataset": one}, 12),
    ):
        data = dataset(options)
        epoch = data.epoch(1)
        assert data.guesses_lengths and not data.knows_lengths and len(epoch) == count
        for place in (0, count - 1):
            assert abs(epoch.lengths(place)["data"] - epoch.guessed(place)["data"]) <= 1


def test_a_list_without_durations_is_read_and_not_sorted(tmp_path):
    one = archive(tmp_path, [{"text": "yes", "file": "0.wav"}, {"text": "no", "file": "1.wav", "duration": "long"}])
    data = dataset({**one, "audio": {"features": "mfcc"}, "seq_ordering": "random"})
    assert not data.guesses_lengths and len(data.epoch(1)[0].data["data"])
    with pytest.raises(DataSetError, match=r"the sequence '0.wav' of '.*a.zip' has no duration, by which"):
        dataset({**one, "seq_ordering": "laplace:.2"}).epoch(1)


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"text": "yes"}, "no list of dictionaries with 'file'"),
        ([{"text": "yes", "duration": 2.0}], "no list of dictionaries with 'file'"),
        ([{"seq_name": "s", "duration": 2.0, "text": "t"}], "the sequence 's' of '.*a.zip' names no 'file'"),
        ([{"file": "none.wav", "duration": 2.0, "text": "t"}], "'.*a.zip' has no 'a/none.wav'"),
    ],
)
def test_what_may_be_wrong_in_the_list(tmp_path, entries, says):
    with pytest.raises(DataSetError, match=says):
        dataset({**archive(tmp_path, entries), "audio": {"features": "mfcc"}}).epoch(1)[0]
