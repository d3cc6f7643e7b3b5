"""RETURNN's own initial values."""

import numpy as np
import pytest

from tenure import TenureError
from tests.network.initial_weights import weights


def test_values_away_from_zero():
    w = abs(
        weights("variance_scaling_non_zero_initializer(mode='fan_avg', distribution='uniform', non_zero_fraction=0.5)")
    )
    limit = np.sqrt(3 / 27)
    assert w.min() >= limit / 2 and w.max() <= limit and w.max() > 0.95 * limit
    assert abs(weights("random_uniform_abs_initializer(0.1)")).max() <= 0.1


def test_values_from_a_file(tmp_path):
    file = tmp_path / "numbers.txt"
    file.write_text("<vector>\n1.5\n2\n3e-1\n-4\n</vector>\n")
    assert np.allclose(weights(f"load_txt_file_initializer({str(file)!r})", (2, 2)), [[1.5, 2], [0.3, -4]])
    with pytest.raises(TenureError, match="4 numbers"):
        weights(f"load_txt_file_initializer({str(file)!r})", (3, 2))
    file.write_text("__import__('os')")
    with pytest.raises(TenureError, match="numbers.txt"):
        weights(f"load_txt_file_initializer({str(file)!r})", (2, 2))
