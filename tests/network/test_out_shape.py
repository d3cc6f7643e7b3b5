"""`out_shape`: the dims that a dictionary promises for an output."""

import pytest

from tenure import TenureError
from tenure.network import batch_dim, feature_dim, network, spatial_dim
from tenure.network.out_shape import MarkedDim

TIME, FEATURE, OTHER = spatial_dim("time"), feature_dim(3, "in"), feature_dim(4, "other")
DATA = {"data": {"dims": [batch_dim, TIME, FEATURE]}}


def promised(*dims):
    return network({"output": {"class": "copy", "from": "data", "out_shape": set(dims)}}, DATA)


def test_a_promise_that_is_kept():
    assert promised(batch_dim, TIME, FEATURE)
    assert promised(FEATURE, batch_dim, TIME, MarkedDim(OTHER, "optional"), MarkedDim(OTHER, "sparse"))


@pytest.mark.parametrize(
    ("dims", "says"),
    [
        ((batch_dim, TIME), "also has"),
        ((batch_dim, TIME, FEATURE, OTHER), "lacks"),
        ((batch_dim, "T"), "a set of dims"),
    ],
)
def test_a_promise_that_is_not(dims, says):
    with pytest.raises(TenureError, match=f"'out_shape'.*{says}"):
        promised(*dims)
