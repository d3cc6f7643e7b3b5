"""PyTorch's files are read without PyTorch, and nothing in them is executed."""

import numpy as np
import pytest

from tenure import convert
from tenure.convert import FileError
from tests.convert.compared import FIXTURES, expected, same


def test_torch_files_are_read_with_shared_and_transposed_tensors():
    found = convert.read(FIXTURES / "torch.pt")
    for name, value in expected().items():
        same(found[f"model.{name}"], value)
    assert found.ties == {"model.head.weight": "model.embed.weight"}
    same(found["model.transposed"], expected()["linear.weight"].T)
    assert found["model.brain"].astype("float32").tolist() == [1, 1, 1]
    assert found["model.empty"].shape == (0, 3) and found["model.parameter"].tolist() == [1, 1]


@pytest.mark.parametrize("file", ["torch_module.pt", "torch_script.pt"])
def test_whole_modules_of_torch_are_read_by_the_names_of_their_state_dicts(file):
    found = convert.read(FIXTURES / file)
    expected = dict(np.load(FIXTURES / "torch_module.npz"))
    assert set(expected) <= set(found)
    for name, value in expected.items():
        same(found[name], value)


def test_files_of_torch_before_1_6_are_refused_by_name():
    with pytest.raises(FileError, match=r"before 1\.6"):
        convert.read(FIXTURES / "torch_before_1_6.pt")
