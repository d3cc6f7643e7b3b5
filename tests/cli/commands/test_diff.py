"""`tenure diff`: how two files differ, and by how much."""

import numpy as np
import pytest

from tenure import convert
from tenure.cli import main
from tenure.convert import Weights, held


def test_a_tolerance_is_a_distance(folder, capsys):
    for tolerance in ("nan", "-1", "much"):
        with pytest.raises(SystemExit) as leave:
            main(["diff", "m.safetensors", "m.safetensors", f"--tolerance={tolerance}"])
        assert leave.value.code == 2 and "invalid distance value" in capsys.readouterr().err


def test_diff(folder, capsys):
    a = {"x": np.arange(4.0), "same": np.ones(2), "shape": np.ones(2), "gone": np.ones(1), "nan": np.array([np.nan])}
    b = {**a, "x": np.array([0, 1, 2, 3.5]), "shape": np.ones(3), "new": np.ones(1), "same": np.ones(2, "float32")}
    del b["gone"]
    for name, values in (("a.npz", a), ("b.npz", b)):
        convert.write(name, Weights("", "", {k: held(v) for k, v in values.items()}))
    assert main(["diff", "a.npz", "a.npz"]) == 0
    assert capsys.readouterr().out == "no difference in 5 names\n"
    assert main(["diff", "a.npz", "b.npz"]) == 1
    said = capsys.readouterr().out
    assert "≠ x  (4,)  max|Δ| 0.5 (values up to 3.5), 1 of 4 values" in said
    assert "≠ shape  (2,) and (3,)" in said and "- gone  (1,)" in said and "+ new  (1,)" in said
    assert "≠ same  (2,)  float64 and float32, equal values" in said and "nan" not in said
    assert main(["diff", "a.npz", "b.npz", "--tolerance", "1"]) == 1
    assert "≠ x" not in capsys.readouterr().out


def test_integers_are_compared_as_integers(folder, capsys):
    for name, value in {"a.npz": 2**62 + 1, "b.npz": 2**62, "c.npz": -(2**63)}.items():
        convert.write(name, Weights("", "", {"x": held(np.array([value, 1]))}))
    assert main(["diff", "a.npz", "a.npz"]) == 0
    assert main(["diff", "a.npz", "b.npz", "--tolerance", "1"]) == 0
    capsys.readouterr()
    assert main(["diff", "a.npz", "b.npz"]) == 1
    assert "max|Δ| 1 (" in capsys.readouterr().out
    assert main(["diff", "c.npz", "a.npz"]) == 1
    assert "max|Δ| 1.38e+19 (" in capsys.readouterr().out
