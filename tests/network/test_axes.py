"""Axes as dictionaries describe them."""

import pytest

from tenure.network import axes
from tenure.network.dims import DimError
from tests.network.declared import TIME

pytestmark = pytest.mark.usefixtures("declared")


@pytest.mark.parametrize(
    ("description", "found"),
    [
        ("B", [0]), ("T", [1]), ("F", [2]), ("BT", [0, 1]), ("spatial", [1]), ("except_batch", [1, 2]), ("except_time", [2]),
        ("static", [2]), ("dyn", [1]), ("*", [0, 1, 2]), ("stag:time", [1]), ("stag:extern_data:time", [1]), ("stag:var:extern_data:time", [1]), ("stag:time?", [1]), ("stag:nonsense?", []), ("dim:4", [2]), (["T", "F"], [1, 2]), (TIME, [1]),
    ],
)  # fmt: skip
def test_descriptions_of_axes(x, description, found):
    assert axes.axes(x, description) == found


@pytest.mark.parametrize("description", [1, -1, "spatial:0", "static:0", "nonsense", "stag:nonsense", {}])
def test_descriptions_that_new_networks_do_not_have(x, description):
    with pytest.raises(DimError):
        axes.axis(x, description)
