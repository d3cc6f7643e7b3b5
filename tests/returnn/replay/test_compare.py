"""Recorded values against computed ones."""

import numpy as np

from tenure.returnn.replay.compare import same_values, tolerance


def test_values():
    assert same_values(np.array([1, 2]), np.array([1, 3]), 1, 1).startswith("1 of 2")
    assert same_values(np.array([np.nan, np.inf]), np.array([np.nan, np.inf]), 1e-4, 1e-5) == ""
    assert same_values(np.array([0.0]), np.array([np.inf]), 1e-4, 1e-5) != ""
    assert tolerance(["rec"], 10) < tolerance(["rec"], 30)
