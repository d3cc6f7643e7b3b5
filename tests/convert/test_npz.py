"""Numpy's archives: arrays that hold no numbers are refused by name."""

import numpy as np
import pytest

from tenure import convert


def test_arrays_of_no_numbers_in_an_npz_are_no_damage(tmp_path):
    odd = {"text": np.array(["a"]), "fields": np.zeros(2, [("a", "f4")]), "dates": np.array(["2020"], "M8[s]")}
    for name, array in odd.items():
        np.savez(tmp_path / "w.npz", ok=np.ones(2), odd=array)
        with pytest.raises(
            convert.UnsupportedFileError, match=r"w\.npz:odd\.npy' has an array .* which is not read"
        ) as caught:
            convert.read(tmp_path / "w.npz")
        assert name in str(caught.value) and "damaged" not in str(caught.value)
