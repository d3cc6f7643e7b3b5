"""Frames of a stream, read with and without the HDF5 library: the same values, whatever the file is like."""

import os

import h5py
import numpy as np
import pytest

from tenure.training.data.frames_on_disk import Frames
from tenure.training.data.hdf import HDFDataset
from tenure.training.errors import DataSetError

VALUES = np.arange(60, dtype=np.float32).reshape(20, 3)
KINDS = {
    "plain": (dict(data=VALUES), True),
    "labels": (dict(data=np.arange(20, dtype=np.int32)), True),
    "the other order of bytes": (dict(data=VALUES.astype(">f4")), True),
    "half": (dict(data=VALUES.astype(np.float16)), True),
    "three axes": (dict(data=VALUES.reshape(5, 4, 3)), True),
    "chunks": (dict(data=VALUES, chunks=(4, 3)), False),
    "compressed": (dict(data=VALUES, compression="gzip"), False),
    "growing": (dict(data=VALUES, maxshape=(None, 3)), False),
    "truths": (dict(data=VALUES > 4), False),
    "nothing": (dict(shape=(0, 3), dtype="f4"), False),
}


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_those_of_the_library(tmp_path, kind):
    options, directly = KINDS[kind]
    with h5py.File(tmp_path / "a.hdf", "w") as file:
        file.create_dataset("x", **options)
    with h5py.File(tmp_path / "a.hdf") as file:
        frames = Frames(file["x"])
        assert len(frames) == len(file["x"]) and (frames._at is not None) is directly
        for start, end in ((0, len(frames)), (1, 3), (2, 2), (3, 900)):
            right = file["x"][start:end]
            found = frames[start:end]
            assert found.dtype == right.dtype and found.shape == right.shape
            np.testing.assert_array_equal(found, right)


def test_files_in_memory_and_with_a_user_block_are_left_to_the_library(tmp_path):
    with h5py.File(tmp_path / "a.hdf", "w", userblock_size=512) as file:
        file["x"] = VALUES
    with h5py.File(tmp_path / "a.hdf") as file, h5py.File("b", "w", driver="core", backing_store=False) as memory:
        memory["x"] = VALUES
        for array in (file["x"], memory["x"]):
            assert Frames(array)._at is None
            np.testing.assert_array_equal(Frames(array)[1:4], VALUES[1:4])


def test_a_file_that_was_cut_off_meanwhile_is_an_error_and_no_zeros(tmp_path):
    path = tmp_path / "a.hdf"
    with h5py.File(path, "w") as file:
        file["inputs"], file["seqTags"] = np.ones((100_000, 3), np.float32), [b"a", b"b"]
        file["seqLengths"] = np.array([[50_000], [50_000]])
    data = HDFDataset([str(path)])
    assert data.parts[0]._frames["data"]._at is not None
    os.truncate(path, os.path.getsize(path) // 2)  # HDF5 would read zeros
    with pytest.raises(DataSetError, match="shorter than it was"):
        data.load(1, 1)
