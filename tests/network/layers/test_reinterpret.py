"""What axes mean may be changed where they are."""

import pytest

from tenure.core.errors import TenureError
from tests.network.layers.running import run


def test_time_first_needs_time():
    mean = {"m": {"class": "reduce", "mode": "mean", "axis": "T", "from": "data"}}
    with pytest.raises(TenureError, match="time"):
        run({**mean, "output": {"class": "reinterpret_data", "enforce_time_major": True, "from": "m"}})
