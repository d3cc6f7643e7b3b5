"""Dictionaries that want to take all memory or hours, and such as nobody would write: refused by name, at once."""

import pytest

import tenure.network as network
from tenure import TenureError

DATA = {"data": {"dim": 3}}


def test_deep_networks():
    net = {"output": {"class": "linear", "n_out": 2, "from": "data"}}
    for _ in range(300):
        net = {"output": {"class": "subnetwork", "subnetwork": net, "from": "data"}}
    assert network.network(net, DATA).plan().ledger.count() == 8
    for _ in range(200):
        net = {"output": {"class": "subnetwork", "subnetwork": net, "from": "data"}}
    with pytest.raises(TenureError, match="nested deeper"):
        network.network(net, DATA)


@pytest.mark.parametrize("kind", ["subnetwork", "unit"])
def test_a_dictionary_that_contains_itself(kind):
    net = {"output": {"class": "subnetwork" if kind == "subnetwork" else "rec", "from": "data"}}
    net["output"][kind] = net
    with pytest.raises(TenureError, match="contains itself"):
        network.network(net, DATA)


def test_names_without_a_letter_that_scopes_may_have():
    net = {"ä": {"class": "linear", "n_out": 2, "from": "data"}, "ö": {"class": "linear", "n_out": 2, "from": "ä"}}
    made = network.network({**net, "output": {"class": "copy", "from": "ö"}}, DATA)
    assert made.plan().ledger.count() == 14
