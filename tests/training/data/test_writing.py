"""Writing RETURNN's HDF files, sequence by sequence."""

import numpy as np
import pytest

from tenure.training.data import writing
from tenure.training.data.base import Stream
from tenure.training.data.hdf import HDFDataset
from tenure.training.errors import DataSetError

pytest.importorskip("h5py")
STREAMS = {"data": Stream(2), "classes": Stream(5, True)}


def sequence(n):
    return {"data": np.arange(2.0 * n, dtype="float32").reshape(n, 2), "classes": np.arange(n) % 5}


@pytest.mark.parametrize("buffer", [1, 1 << 20])
def test_what_is_written_is_read(tmp_path, monkeypatch, buffer):
    monkeypatch.setattr(writing, "_BUFFER", buffer)  # every sequence at once, or all together
    with writing.HdfWriter(tmp_path / "a" / "x.hdf", STREAMS) as file:
        for n in (3, 1, 4):
            file.add(f"ü{n}", sequence(n))
    assert (file.sequences, file.frames) == (3, 8)
    data = HDFDataset([str(tmp_path / "a" / "x.hdf")])
    assert data.streams["data"].dim == 2 and data.streams["classes"].dim == 5
    for i, n in enumerate((3, 1, 4)):
        item = data.load(i, 1)
        assert item.tag == f"ü{n}"
        np.testing.assert_array_equal(item.data["data"], sequence(n)["data"])
        np.testing.assert_array_equal(item.data["classes"], sequence(n)["classes"])


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    with pytest.raises(KeyError), writing.HdfWriter(tmp_path / "x.hdf", STREAMS) as file:
        file.add("a", sequence(2))
        raise KeyError
    assert not list(tmp_path.iterdir())
    (tmp_path / "x.hdf").touch()
    with pytest.raises(DataSetError, match="is there already"):
        writing.HdfWriter(tmp_path / "x.hdf", STREAMS)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"classes": np.array([7])}, "has the label 7"),
        ({"data": np.ones((1, 3), "float32")}, r"frames of the shape \(3,\)"),
        ({"data": None}, "has no stream 'data'"),
        ({"data": np.array([["a", "b"]])}, "has <U1 in the stream 'data'"),
    ],
)
def test_what_does_not_fit_names_the_sequence(tmp_path, change, says):
    data = {k: v for k, v in {**sequence(1), **change}.items() if v is not None}
    with pytest.raises(DataSetError, match=f"the sequence 'bad' .*{says}"):
        with writing.HdfWriter(tmp_path / "x.hdf", STREAMS) as file:
            file.add("good", sequence(2))
            file.add("bad", data)
