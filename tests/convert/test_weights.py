"""What a file of weights holds: tensors by name, each read when it is asked for, and ties."""

import numpy as np
import pytest

from tenure.convert.errors import DamagedFileError, UnknownTensorError
from tenure.convert.weights import Tensor, Weights, held


def test_tensors_are_read_when_they_are_asked_for():
    read = []
    lazy = Tensor((2, 3), np.dtype("float32"), lambda: read.append(1) or np.ones((2, 3), "float32"), "Q4_1", size=5)
    weights = Weights("w", "test", {"a": lazy}, {"b": "a | transpose", "c": "b | slice(0, 2)"})
    assert len(weights) == 3 and list(weights) == ["a", "b", "c"] and "b" in weights and "d" not in weights
    assert (weights.shape("c"), weights.owner("c"), lazy.count, lazy.nbytes) == ((2, 2), "a", 6, 5)
    assert [str(view) for view in weights.views("c")] == ["transpose", "slice(0, 2)"] and not read
    assert weights["c"].shape == (2, 2) and read == [1]
    assert held(np.ones(3, "float16")).nbytes == 6


@pytest.mark.parametrize("ties", [{"b": "none"}, {"b": "c", "c": "b"}, {"b": "a | transposed"}])
def test_ties_that_lead_nowhere_are_damage(ties):
    with pytest.raises(DamagedFileError, match="the tie of 'b'"):
        Weights("w", "test", {"a": held(np.ones(1))}, ties)


def test_a_name_that_is_not_there_is_told_with_the_nearest():
    with pytest.raises(UnknownTensorError) as error:
        Weights("w", "test", {"embed": held(np.ones(1))})["embde"]
    assert error.value.near == ("embed",)
