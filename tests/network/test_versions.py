"""Behaviour versions: what a dictionary may leave open."""

import pytest

import tenure as tn
from tenure.network import axes, versions

pytestmark = pytest.mark.usefixtures("declared")


@pytest.mark.parametrize(("description", "found"), [(1, 1), (-1, 2), ("spatial:0", 1), ("static:-1", 2)])
def test_descriptions_that_published_networks_have(x, description, found):
    with versions.use(0):
        assert axes.axis(x, description) == found


DATA = {"data": {"dim": 3}, "classes": {"dim": 5, "sparse": True}}


def test_old_networks_may_leave_the_input_out():
    old = tn.network({"output": {"class": "linear", "n_out": 3}}, DATA, behavior_version=0)
    assert set(old.graph().nodes) == {"data:data", "output"}
