"""Sequences that are given as arrays."""

import numpy as np
import pytest

from tenure.training.data.static import StaticDataset
from tenure.training.errors import DataSetError

DATA = [{"classes": np.arange(n), "data": np.ones((n, 2), "float32")} for n in (3, 5)]


def test_streams_and_sequences():
    data = StaticDataset(DATA, {"data": (2, 2), "classes": (7, 1)})
    assert list(data.streams) == ["data", "classes"] and data.streams["classes"].dim == 7
    assert data.streams["classes"].sparse and not data.streams["data"].sparse
    assert data.count() == 2 and data.load(1, 1).tag == "seq-1"
    assert data.measure(1, 1).of == {"data": 5, "classes": 5}


def test_what_does_not_fit():
    with pytest.raises(DataSetError, match="no sequences"):
        StaticDataset([])
    with pytest.raises(DataSetError, match=r"sequence 1 has the streams \['data'\]"):
        StaticDataset([DATA[0], {"data": DATA[1]["data"]}])
    with pytest.raises(DataSetError, match=r"output_dim says nothing of \['classes'\]"):
        StaticDataset(DATA, {"data": 2})


def test_targets_and_sizes_that_are_said():
    data = [{"data": np.zeros((3, 2), "float32"), "classes": np.array([1, 0, 1]), "other": np.array([2])}]
    assert StaticDataset(data, target_list=["other"], input_dim=2).target_streams == ["other"]
    with pytest.raises(DataSetError, match="target_list has 'clases'"):
        StaticDataset(data, target_list=["clases"])
    with pytest.raises(DataSetError, match="input_dim is 3"):
        StaticDataset(data, input_dim=3)


def test_sequences_are_asked_for_by_tag_and_index():
    data = StaticDataset([{"data": np.full((1, 2), i)} for i in range(3)])
    assert [data.epoch(1, indices=[2, 0])[i].tag for i in range(2)] == ["seq-2", "seq-0"]
    with pytest.raises(DataSetError, match="there is no sequence 3"):
        data.epoch(1, indices=[0, 3])
