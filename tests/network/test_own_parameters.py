"""Parameters have sizes that are known before a batch."""

import pytest

from tenure.core.errors import TenureError
from tests.network.layers.running import run


def test_parameters_have_fixed_sizes():
    everything = {"m": {"class": "merge_dims", "axes": ["T", "F"], "from": "data"}}
    with pytest.raises(TenureError, match="fixed size"):
        run({**everything, "output": {"class": "linear", "n_out": 3, "activation": None, "from": "m"}})
