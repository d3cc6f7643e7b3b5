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
