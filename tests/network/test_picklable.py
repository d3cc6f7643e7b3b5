"""Functions in a dictionary that pickle cannot find are named."""

import pickle

import pytest

import tenure as tn


def test_a_layer_with_a_function_of_its_own_is_named():
    net = tn.network(
        {"output": {"class": "eval", "from": "data", "eval": lambda source, self: source(0) + 1}}, {"data": {"dim": 4}}
    )
    with pytest.raises(tn.TenureError, match="layer 'output', 'eval'") as error:
        pickle.dumps(net)
    assert "test_picklable.py" in str(error.value)
