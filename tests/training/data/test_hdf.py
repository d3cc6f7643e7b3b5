"""HDF files: what is wrong in one is told with the file, the stream and the sequence."""

import numpy as np
import pytest

from tenure.training.data.base import Stream
from tenure.training.data.writing import HdfWriter
from tenure.training.errors import TrainingError
from tests.training.data.files import GOOD, train, written

h5py = pytest.importorskip("h5py")


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
    "no HDF file": (
        no_hdf,
        r"(?s)text.hdf' is no HDF file, or a damaged one.*tenure data hdf OUT.hdf --text data=\S*text.hdf",
    ),
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
