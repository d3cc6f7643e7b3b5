"""Layers over time that do one step of it at a time, in a loop."""

import numpy as np
import pytest

from tenure import TenureError
from tests.network.layers.in_steps import both
from tests.network.layers.running import KEEP


@pytest.mark.parametrize("start", [None, "ones", 2.0])
def test_running_sums(start):
    more = {} if start is None else {"initial_output": start}
    inside, whole = both({"class": "cumsum", **more}, {"class": "cumsum", "axis": "T", **more})
    assert np.allclose(inside[KEEP], whole[KEEP], atol=1e-5)
    with pytest.raises(TenureError, match="reverse"):
        both({"class": "cumsum", "reverse": True}, {"class": "copy"})
