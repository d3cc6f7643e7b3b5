"""TensorFlow checkpoints without TensorFlow."""

import ml_dtypes
import numpy as np
import pytest

from tenure.convert import tensorflow
from tenure.convert.errors import DamagedFileError, FileError, UnsupportedFileError


def some():
    draw = np.random.RandomState(0)
    return {
        "h/W": draw.randn(5, 6).astype("float32"),
        "h/b": draw.randn(6).astype(ml_dtypes.bfloat16),
        "global_step": np.int64(83),
        "empty": np.zeros((0, 3), "float16"),
        "flag": np.array(True),
    }


def test_what_is_written_is_read(tmp_path):
    tensorflow.write(tmp_path / "model.001", some())
    for ending in ("", ".index", ".data-00000-of-00001", ".meta"):
        weights = tensorflow.read(f"{tmp_path}/model.001{ending}")
        assert sorted(weights) == sorted(some())
        for name, value in some().items():
            assert weights[name].dtype == value.dtype and np.array_equal(weights[name], value)


def test_a_flipped_bit_in_the_values_is_found(tmp_path):
    tensorflow.write(tmp_path / "m", some())
    path = tmp_path / "m.data-00000-of-00001"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match=r"'h/b'.*checksum"):
        dict(tensorflow.read(tmp_path / "m"))


def test_a_flipped_bit_in_the_index_is_found(tmp_path):
    tensorflow.write(tmp_path / "m", some())
    path = tmp_path / "m.index"
    data = path.read_bytes()
    for i in range(len(data)):
        changed = bytearray(data)
        changed[i] ^= 4
        path.write_bytes(changed)
        try:
            weights = dict(tensorflow.read(tmp_path / "m"))
        except FileError:
            continue
        assert all(np.array_equal(weights[name], value) for name, value in some().items()), i  # padding of the footer


def test_a_missing_shard_is_named(tmp_path):
    tensorflow.write(tmp_path / "m", some())
    (tmp_path / "m.data-00000-of-00001").unlink()
    with pytest.raises(FileError, match="data-00000-of-00001"):
        tensorflow.read(tmp_path / "m")


def test_an_array_that_tensorflow_lacks_is_refused(tmp_path):
    with pytest.raises(UnsupportedFileError, match="float8"):
        tensorflow.write(tmp_path / "m", {"w": np.zeros(2, ml_dtypes.float8_e4m3fn)})
    assert not list(tmp_path.iterdir())
