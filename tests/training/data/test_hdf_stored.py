"""HDF files that were cut off, or not written to their end: an error that names file and data set, and never zeros."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tenure.training.data.hdf import HDFDataset, NextGenHDFDataset
from tenure.training.data.hdf_stored import check_stored
from tenure.training.errors import DataSetError

h5py = pytest.importorskip("h5py")
FORMS = {
    "contiguous": {},
    "chunked": {"chunks": True},
    "gzip": {"chunks": True, "compression": "gzip"},
    "small chunks": {"chunks": 16, "compression": "gzip", "shuffle": True, "fletcher32": True},
    "growing": {"maxshape": True},
}
COUNT = 20
random = np.random.RandomState(1)
INPUTS = random.randn(COUNT * 30, 5).astype("float32")
CLASSES = random.randint(1, 90, COUNT * 9).astype("int32")


def write(path, form, libver):
    """A file whose structure comes before its values, so that a cut takes values away."""
    with h5py.File(path, "w", libver=libver, meta_block_size=1 << 16) as file:
        tags = np.array([b"seq-%d" % i for i in range(COUNT)], dtype=object)
        file.create_dataset("seqTags", data=tags, dtype=h5py.special_dtype(vlen=bytes))
        lengths = np.full((COUNT, 2), (30, 9), "int32")
        for name, data in (("seqLengths", lengths), ("targets/data/classes", CLASSES), ("inputs", INPUTS)):
            options = dict(FORMS[form])
            if options.get("maxshape"):
                options["maxshape"] = (None, *data.shape[1:])
            if options.get("chunks") == 16:
                options["chunks"] = (16, *data.shape[1:])
            file.create_dataset(name, data=data, **options)
        file.attrs["inputPattSize"] = 5


def read(path):
    data = HDFDataset([str(path)])
    for i in range(COUNT):
        item = data.load(i, 1)
        assert item.tag == f"seq-{i}"
        np.testing.assert_array_equal(item.data["data"], INPUTS[30 * i : 30 * (i + 1)])
        np.testing.assert_array_equal(item.data["classes"], CLASSES[9 * i : 9 * (i + 1)])


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_was_cut_off_is_an_error_wherever_the_cut_is(tmp_path, form, libver):
    write(tmp_path / "whole.hdf", form, libver)
    read(tmp_path / "whole.hdf")
    whole = (tmp_path / "whole.hdf").read_bytes()
    told = set()
    for cut in [*np.linspace(len(whole) // 20, len(whole) - 1, 25).astype(int), len(whole) - 8]:
        content = bytearray(whole[:cut])
        if (
            libver == "earliest"
        ):  # the end that the file gives itself, without which the library would refuse all of them
            content[40:48] = int(cut).to_bytes(8, "little")
        (tmp_path / "cut.hdf").write_bytes(content)
        with pytest.raises(DataSetError, match="cut.hdf") as error:
            read(tmp_path / "cut.hdf")
        told.update(name for name in ("'inputs'", "'classes'", "'seqTags'", "'seqLengths'") if name in str(error.value))
    assert libver == "latest" or told


WRITER = """
import h5py, numpy, os, signal, sys
file = h5py.File(sys.argv[1], "w")
tags = numpy.array([b"a", b"b"], dtype=object)
file.create_dataset("seqTags", data=tags, dtype=h5py.special_dtype(vlen=bytes))
file["seqLengths"] = numpy.full((2, 2), 50, "int32")
file["targets/data/classes"] = numpy.ones(100, "int32")
{inputs}
file.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        (
            "x = file.create_dataset('inputs', (100, 3), 'f4', chunks=(10, 3)); x[:50] = 1",
            "values of 'inputs' are missing: 5 of 10 chunks are stored",
        ),
        (
            "x = file.create_dataset('inputs', (100, 3), 'f4', chunks=(10, 3), compression='gzip'); x[:91] = 1",
            None,
        ),
        ("file.create_dataset('inputs', (100, 3), 'f4')", "values of 'inputs' are missing: no values are stored"),
    ],
)
def test_a_writer_that_was_killed_leaves_no_zeros_to_train_on(tmp_path, inputs, says):
    done = subprocess.run([sys.executable, "-c", WRITER.format(inputs=inputs), str(tmp_path / "a.hdf")], check=False)
    assert done.returncode == -signal.SIGKILL
    if says is None:  # all chunks are there
        assert HDFDataset([str(tmp_path / "a.hdf")]).load(0, 1).data["data"].sum() == 150
        return
    with pytest.raises(DataSetError, match=f"a.hdf': {says}"):
        HDFDataset([str(tmp_path / "a.hdf")])


def test_a_file_that_is_cut_off_after_it_was_opened_gives_no_zeros(tmp_path):
    write(tmp_path / "a.hdf", "small chunks", "earliest")
    write(tmp_path / "b.hdf", "chunked", "earliest")
    for name in ("a.hdf", "b.hdf"):
        data = HDFDataset([str(tmp_path / name)])
        data.load(0, 1)
        os.truncate(tmp_path / name, os.path.getsize(tmp_path / name) - 3000)
        with pytest.raises(DataSetError, match=name):
            for i in range(COUNT):
                data.load(i, 1)


def test_values_in_other_files_that_are_not_there(tmp_path):
    write(tmp_path / "a.hdf", "contiguous", "earliest")
    virtual = h5py.VirtualLayout(INPUTS.shape, "float32")
    virtual[:] = h5py.VirtualSource("b.hdf", "inputs", INPUTS.shape)
    with h5py.File(tmp_path / "a.hdf", "a") as file:
        del file["inputs"]
        file.create_virtual_dataset("inputs", virtual)
    with pytest.raises(
        DataSetError, match="'inputs' are missing: its values are in the file 'b.hdf', which is not there"
    ):
        HDFDataset([str(tmp_path / "a.hdf")])
    write(tmp_path / "b.hdf", "gzip", "earliest")
    read(tmp_path / "a.hdf")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (
            "seqLengths",
            np.full((COUNT, 1), 30),
            r"seqLengths are int64 of the shape \(20, 1\), and the streams data, cl",
        ),
        ("seqLengths", np.full((COUNT, 2), 3.5), "seqLengths are float64"),
        ("seqLengths", np.array([[30, 9]] * (COUNT - 1) + [[-5, 9]]), "say -5 frames of the sequence 'seq-19'"),
        ("inputs", np.float32(3), "'inputs' is a single value, and no frames"),
    ],
)
def test_what_is_in_the_place_of_lengths_and_frames(tmp_path, name, value, says):
    write(tmp_path / "a.hdf", "contiguous", "earliest")
    with h5py.File(tmp_path / "a.hdf", "a") as file:
        del file[name]
        file[name] = value
    with pytest.raises(DataSetError, match=f"a.hdf': .*{says}"):
        HDFDataset([str(tmp_path / "a.hdf")])


def test_next_gen_files_name_the_sequence(tmp_path):
    with h5py.File(tmp_path / "a.hdf", "w") as file:
        file["seq_names"] = [b"one", b"two"]
        file["streams/features/data/one"] = INPUTS[:4]
        file.create_dataset("streams/features/data/two", (4, 5), "f4", chunks=(2, 5))
    data = NextGenHDFDataset([str(tmp_path / "a.hdf")])
    np.testing.assert_array_equal(data.load(0, 1).data["data"], INPUTS[:4])
    with pytest.raises(DataSetError, match="a.hdf': values of 'streams/features/data/two' are missing: 0 of 2 chunks"):
        data.load(1, 1)
    with h5py.File(tmp_path / "b.hdf", "w") as file:
        file["seq_names"] = [b"one", b"two"]
        file["streams/features/data/one"] = INPUTS[:4]
    with pytest.raises(DataSetError, match="b.hdf': the sequence 'two' has no stream 'data'"):
        NextGenHDFDataset([str(tmp_path / "b.hdf")]).load(1, 1)


def test_labels_that_are_none_and_files_named_by_a_pattern_are_nothing_that_is_missing(tmp_path):
    write(tmp_path / "a.hdf", "contiguous", "earliest")
    write(tmp_path / "part-0.hdf", "contiguous", "earliest")
    unlimited = (h5py.h5s.UNLIMITED, 5)
    virtual = h5py.VirtualLayout(INPUTS.shape, "float32", maxshape=(None, 5))
    virtual[:] = h5py.VirtualSource(str(tmp_path / "part-0.hdf"), "inputs", INPUTS.shape, maxshape=unlimited)
    with h5py.File(tmp_path / "a.hdf", "a") as file:
        del file["inputs"]
        file.create_dataset("labels", data=h5py.Empty("S5"))
        file.create_virtual_dataset("inputs", virtual)
    read(tmp_path / "a.hdf")
    pattern = SimpleNamespace(name="/inputs", is_virtual=True)
    pattern.virtual_sources = lambda: [SimpleNamespace(file_name="part-%b.hdf")]
    check_stored(str(tmp_path / "a.hdf"), pattern)
