"""Keras weights: read, written as Keras reads them, in Keras's order."""

import h5py
import numpy as np
import pytest

from tenure import convert
from tenure.convert import FileError, Weights, held
from tests.convert.compared import FIXTURES


@pytest.mark.parametrize("file", ["keras2.h5", "keras3.weights.h5"])
def test_keras_files_are_read(file):
    found = convert.read(FIXTURES / file)
    values = [np.array(v) for v in np.load(FIXTURES / "keras_expected.npz").values()]
    assert len(found) == len(values)
    for value in values:
        assert any(f.shape == value.shape and np.array_equal(f, value) for f in found.values())


def test_keras_reads_our_layout(tmp_path):
    convert.write(tmp_path / "w.h5", Weights("", "", {"dense/dense/kernel:0": held(np.ones((2, 3), "float32"))}))
    with h5py.File(tmp_path / "w.h5") as file:
        assert list(map(str, file["dense"].attrs["weight_names"])) == ["dense/kernel:0"]
        assert file["dense/dense/kernel:0"].shape == (2, 3)


def test_keras_files_with_values_of_no_number_are_refused(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["a/w"] = np.zeros(3, np.dtype("V2"))
    with pytest.raises(FileError, match=r"w\.h5' is damaged at the data set 'a/w': its values are"):
        convert.read(tmp_path / "w.h5")


def test_keras_layers_and_weights_come_in_kerass_order(tmp_path):
    """Keras 2 loads by position, and HDF5 lists names by the alphabet."""
    names = ["z/z/bias:0", "z/z/kernel:0", "a/a/moving_mean:0", "a/a/beta:0", "a/a/gamma:0"]
    convert.write(tmp_path / "w.h5", Weights("", "", {n: held(np.full(2, i, "float32")) for i, n in enumerate(names)}))
    made = ["z/z/kernel:0", "z/z/bias:0", "a/a/gamma:0", "a/a/beta:0", "a/a/moving_mean:0"]
    found = convert.read(tmp_path / "w.h5")
    assert list(found) == made and all(found[n][0] == names.index(n) for n in names)
    assert list(convert.read(FIXTURES / "keras2.h5"))[0] == "embed/embed/embeddings"
    places = {f"layers/dense/vars/{i}": held(np.ones(2)) for i in range(2)}
    convert.write(tmp_path / "w.weights.h5", Weights("", "", places))
    with h5py.File(tmp_path / "w.weights.h5") as file:
        assert "layer_names" not in file.attrs
