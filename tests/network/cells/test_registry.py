"""Which cell a unit means: what is refused names the nearest."""

import pytest

from tenure.network import cells
from tenure.network.cells import UnknownUnitError


@pytest.mark.parametrize(
    "unit, options, near",
    [("natvelstm2", None, "nativelstm2"), ("rhn", {"deepth": 3}, "depth"), (3, None, None)],
)
def test_refusals_name_the_nearest(unit, options, near):
    with pytest.raises(UnknownUnitError) as error:
        cells.make(unit, 3, options)
    assert near is None or near in error.value.near
