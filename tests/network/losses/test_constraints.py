"""Terms of the objective that are about outputs, not targets."""

import numpy as np
import pytest

from tenure import TenureError
from tests.network.layers.running import KEEP, X, run


def test_darc1_is_the_largest_sum_of_a_feature():
    result, _ = run({"output": {"class": "copy", "from": "data", "darc1": 0.5}}, train=True)
    assert float(result.constraints) == pytest.approx(0.5 * np.abs(X[KEEP]).sum(0).max(), rel=1e-5)


def test_too_few_features_are_no_picture():
    with pytest.raises(TenureError, match="too few for a picture"):
        run({"output": {"class": "copy", "from": "data", "spatial_smoothing": 0.5}}, train=True)
