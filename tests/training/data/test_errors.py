"""What can be wrong with data, in real files: each message names the file, the stream or the key, and the sequence. Nothing of them runs."""

import gzip
import os
import pickle
import zipfile

import numpy as np
import pytest

from tenure.training.data.base import Stream
from tenure.training.data.classes import dataset
from tenure.training.data.writing import HdfWriter
from tenure.training.engine import tasks
from tenure.training.engine.log import Log
from tenure.training.errors import TrainingError

h5py = pytest.importorskip("h5py")
random = np.random.RandomState(0)
GOOD = [(random.randn(n, 4).astype("float32"), random.randint(0, 3, n)) for n in (3, 5, 4)]


def written(path, sequences, size=4):
    with HdfWriter(path, {"data": Stream(size), "classes": Stream(0, True)}) as file:
        for number, (data, classes) in enumerate(sequences):
            file.add(f"seq{number}", {"data": data, "classes": classes})
    return {"class": "HDFDataset", "files": [str(path)]}


def train(folder, data, **more):
    config = {
        "model": f"{folder}/net/model",
        "extern_data": {"data": {"dim": 4}, "classes": {"dim": 3, "sparse": True}},
        "network": {"output": {"class": "softmax", "loss": "ce", "from": "data"}},
        "num_epochs": 1,
        "train": data,
        **more,
    }
    tasks.run(config, Log(0))


def hdf(path):
    return {"class": "HDFDataset", "files": [str(path)]}


def no_hdf(folder):
    (folder / "text.hdf").write_text("hello")
    return hdf(folder / "text.hdf")


def truncated(folder):
    written(folder / "whole.hdf", GOOD)
    content = (folder / "whole.hdf").read_bytes()
    (folder / "half.hdf").write_bytes(content[: len(content) // 2])
    return hdf(folder / "half.hdf")


def other_content(folder):
    with h5py.File(folder / "other.hdf", "w") as file:
        file["values"] = np.zeros(3)
    return hdf(folder / "other.hdf")


def empty(folder):
    with h5py.File(folder / "empty.hdf", "w") as file:
        file["inputs"], file["targets/data/classes"] = np.zeros((0, 4), "float32"), np.zeros(0, "int32")
        file["seqLengths"], file["seqTags"] = np.zeros((0, 2), "int32"), np.zeros(0, "S5")
    return hdf(folder / "empty.hdf")


def short(folder):
    written(folder / "good.hdf", GOOD)
    with h5py.File(folder / "good.hdf") as good, h5py.File(folder / "short.hdf", "w") as file:
        for key in ("inputs", "seqLengths", "seqTags"):
            file[key] = good[key][()]
        file["targets/data/classes"] = good["targets/data/classes"][:-3]
    return hdf(folder / "short.hdf")


def without_targets(folder):
    with HdfWriter(folder / "inputs.hdf", {"data": Stream(4)}) as file:
        file.add("a", {"data": GOOD[0][0]})
    return hdf(folder / "inputs.hdf")


MAKERS = {
    "a missing file": (lambda f: hdf(f / "god.hdf"), "there is no HDF file '.*god.hdf'"),
    "no HDF file": (no_hdf, "text.hdf' is no HDF file, or a damaged one"),
    "half of a file": (truncated, "half.hdf' is no HDF file, or a damaged one"),
    "another content": (other_content, "other.hdf' has no 'inputs'"),
    "no sequences": (empty, "has no sequences in .*empty.hdf"),
    "fewer frames than lengths say": (short, "short.hdf': seqLengths say 12 frames of 'classes', and there are 9"),
    "no targets": (without_targets, "the network is fed 'classes', which the data set does not have"),
    "frames of another size": (
        lambda f: written(f / "five.hdf", [(np.zeros((3, 5), "float32"), np.zeros(3, int))], 5),
        r"stream 'data' of the data set has frames of the shape \(5,\), and the network is fed \(4,\)",
    ),
    "a label that is none": (
        lambda f: written(f / "label.hdf", [*GOOD, (GOOD[0][0], np.array([0, 7, 1]))]),
        "'seq3' has the label 7 in the stream 'classes', and the network has 3 labels",
    ),
    "lengths that differ": (
        lambda f: written(f / "lengths.hdf", [*GOOD, (GOOD[1][0], np.array([0, 2, 1]))]),
        "'seq3' has 5 frames in the stream 'data' and 3 in 'classes', and the layer 'output'",
    ),
    "text in the place of numbers": (
        lambda f: {"class": "StaticDataset", "data": [{"data": np.array(["a"]), "classes": np.array([0])}]},
        "'seq-0' has <U1 in the stream 'data'",
    ),
    "more parts than sequences": (
        lambda f: {**written(f / "g.hdf", GOOD), "partition_epoch": 3, "seq_list_filter_file": str(f / "none")},
        "seq_list_filter_file '.*none' does not exist",
    ),
}


@pytest.mark.parametrize("name", MAKERS)
def test_the_message_says_what_and_where(name, tmp_path):
    make, says = MAKERS[name]
    with pytest.raises(TrainingError, match=says):
        train(tmp_path, make(tmp_path))


def test_an_epoch_without_batches(tmp_path):
    with pytest.raises(TrainingError, match="'train' has no batch in this epoch"):
        train(tmp_path, written(tmp_path / "good.hdf", GOOD), max_seq_length=1)


class Evil:
    """A pickle that runs a program when it is read as pickles are."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_data_files_are_not_executed(tmp_path):
    done = tmp_path / "done"
    (tmp_path / "list.pkl").write_bytes(pickle.dumps(Evil(done)))
    good = written(tmp_path / "good.hdf", GOOD)
    meta = {
        "class": "MetaDataset",
        "datasets": {"a": good},
        "data_map": {"data": ("a", "data"), "classes": ("a", "classes")},
    }
    for data in (
        {**good, "seq_list_filter_file": str(tmp_path / "list.pkl")},
        {**meta, "seq_list_file": str(tmp_path / "list.pkl")},
    ):
        with pytest.raises(TrainingError, match="list.pkl' cannot be unpickled: it holds posix.system"):
            train(tmp_path, data)
    call = f"__import__('os').system('touch {done}')"
    (tmp_path / "map").write_text(call)
    with pytest.raises(TrainingError, match="map' is neither a Python literal nor JSON"):
        dataset(
            {"class": "LmDataset", "corpus_file": str(tmp_path / "map"), "orth_symbols_map_file": str(tmp_path / "map")}
        )
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a.txt", call)
    with pytest.raises(TrainingError, match=r"'a.txt' of .*a.zip' is no list as a Python literal"):
        dataset({"class": "OggZipDataset", "path": str(tmp_path / "a.zip")})
    assert not done.exists()


def test_what_unpacks_to_absurdly_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tenure.training.literals.LARGE", 1 << 16)
    zeros = b"0" * (1 << 22)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(zeros))
    with pytest.raises(TrainingError, match="corpus_file '.*bomb.gz' unpacks to more than"):
        dataset({"class": "LmDataset", "corpus_file": str(tmp_path / "bomb.gz"), "orth_symbols_file": "x"})
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("bomb.txt", zeros)
    with pytest.raises(TrainingError, match="'bomb.txt' of '.*bomb.zip' unpacks to more than"):
        dataset({"class": "OggZipDataset", "path": str(tmp_path / "bomb.zip")})


@pytest.mark.parametrize("content", ["[" * 5000, "(" * 100_000, "9" * 100_000, "{'a': [1,", "\x00"])
def test_a_hostile_text_is_an_error_and_no_crash(tmp_path, content):
    (tmp_path / "map").write_text(content)
    with pytest.raises(TrainingError):
        dataset(
            {"class": "LmDataset", "corpus_file": str(tmp_path / "map"), "orth_symbols_map_file": str(tmp_path / "map")}
        )
