"""Objects with len(…) and [i] as data sets, those of grain among them."""

import numpy as np
import pytest

from tenure.training.data.classes import dataset
from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.errors import DataSetError

ROWS = [
    {"id": f"row{i}", "text": "ab" * (i + 1), "x": [[float(i)]] * (i + 2), "y": [i % 2] * (i + 2)} for i in range(5)
]


class Source:
    """What a Hugging Face dataset is to a data set."""

    def __len__(self):
        return len(ROWS)

    def __getitem__(self, index):
        assert isinstance(index, int)
        return ROWS[index]


@pytest.mark.parametrize("source", [ROWS, Source(), lambda: Source()])
def test_numbers_and_texts_are_streams(source):
    options = {
        "columns": {"data": "x", "classes": "text"},
        "tag_column": "id",
        "vocabs": {"classes": {"class": "Utf8ByteTargets"}},
    }
    data = dataset({"class": "SourceDataset", "source": source, "seq_ordering": "reverse", **options})
    item = data.epoch(1)[0]
    assert item.tag == "row4" and item.data["data"].dtype == np.float32
    assert item.data["data"].shape == (6, 1) and bytes(item.data["classes"].tolist()) == b"ab" * 5
    assert data.streams["classes"].sparse and data.streams["classes"].dim == 256


def test_an_object_in_the_place_of_the_dictionary_is_trained_on(tmp_path):
    rows = [{"data": row["x"], "classes": row["y"]} for row in ROWS]
    config = {
        "model": f"{tmp_path}/net/model",
        "train": rows,
        "extern_data": {"data": {"dim": 1}, "classes": {"dim": 2, "sparse": True}},
        "network": {"output": {"class": "softmax", "loss": "ce", "from": "data"}},
        "batching": "random",
        "num_epochs": 1,
    }
    tasks.run(config, Log(0))
    assert (tmp_path / "net" / "model.001").exists()


def test_a_grain_dataset_is_a_source():
    grain = pytest.importorskip("grain")
    data = dataset(grain.MapDataset.source(ROWS).map(lambda row: {"data": np.array(row["x"], "float32") + 1}))
    assert data.count() == 5 and data.epoch(1)[2].data["data"].tolist() == [[3.0]] * 4


def test_audio_with_its_rate_makes_features():
    rows = [{"audio": {"array": np.sin(np.arange(800.0)), "sampling_rate": 8000}}]
    audio = {"data": {"features": "mfcc", "num_feature_filters": 5}}
    data = dataset({"class": "SourceDataset", "source": rows, "columns": {"data": "audio"}, "audio": audio})
    assert data.epoch(1)[0].data["data"].shape == (11, 5)
    raw = dataset({"class": "SourceDataset", "source": rows, "columns": {"data": "audio"}})
    assert raw.epoch(1)[0].data["data"].shape == (800, 1)


def test_what_does_not_fit_is_named():
    def made(**options):
        return dataset({"class": "SourceDataset", "source": ROWS, **options})

    with pytest.raises(DataSetError, match=r"(?s)no column 'txet'.*text"):
        made(columns={"data": "txet"})
    with pytest.raises(DataSetError, match="'data' of the sequence 'seq-0' holds .*ab.*no numbers"):
        made(columns={"data": "text"}).streams  # noqa: B018
    with pytest.raises(DataSetError, match="no entries"):
        dataset([])
    with pytest.raises(DataSetError, match="entry 0 of the source is 3, and no dictionary"):
        dataset([3])
    with pytest.raises(DataSetError, match=r"has len\(…\) and \[i\]"):
        made(source=iter(ROWS))
    with pytest.raises(DataSetError, match="vocabs has the stream 'txt'"):
        made(columns={"data": "x"}, vocabs={"txt": {"class": "Utf8ByteTargets"}})
