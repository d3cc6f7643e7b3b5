"""Classes of former times: each is refused, and what is said to be written instead is there."""

import re

import pytest

import tenure as tn
from tenure.network import registry
from tenure.network.cells.registry import make
from tenure.network.former_classes import FORMER
from tenure.network.layers.refused import REFUSED
from tenure.network.losses.registry import LOSSES
from tenure.network.options import GENERIC


@pytest.mark.parametrize("name", ["lstm_opt", "calign", "bin_op", "1Dto2D_fixed_size", "reverse_sequence", "rnn"])
def test_each_is_refused_by_name(name):
    with pytest.raises(tn.TenureError, match=f"'output': the class '{name}' is refused: no RETURNN of today has it"):
        tn.network({"output": {"class": name, "from": "data"}}, {"data": {"dim": 3}})


@pytest.mark.parametrize("way", sorted({*FORMER.values(), *(way for _, way in REFUSED.values())}))
def test_what_is_written_instead_is_there(way):
    for name in re.findall(r"'class': '(\w+)'", way):
        assert name in registry.load() and name not in REFUSED
        known = {*registry.load()[name].signature.options, "n_out", "from", *GENERIC}
        options = {*re.findall(r"'(\w+)': ", way)} - {"class"}
        assert way.count("'class'") > 1 or options <= known, options - known
    for unit in re.findall(r"'unit': '(\w+)'", way):
        make(unit, 3)
    assert {*re.findall(r"'loss': '(\w+)'", way)} <= {*LOSSES}


def test_none_is_the_nearest_name_of_a_typo():
    with pytest.raises(tn.TenureError, match="no layer class 'lstm_op'") as error:
        tn.network({"output": {"class": "lstm_op", "from": "data"}}, {"data": {"dim": 3}})
    assert "lstm_opt" not in str(error.value)
