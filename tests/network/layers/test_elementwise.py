"""Element by element: what inputs of several dtypes may be combined, and what activations take."""

import pytest

from tenure.core.errors import TenureError
from tests.network.layers.running import output, run

LABELS = "data:classes"


@pytest.mark.parametrize("activation", ["tanh", "softmax", "exp"])
def test_functions_of_real_numbers_want_no_indices(activation):
    with pytest.raises(TenureError, match="activation"):
        output({"class": "activation", "activation": activation, "from": LABELS})


def test_integers_stay_what_they_are():
    found, _ = output({"class": "activation", "activation": "relu", "from": LABELS})
    assert found.dtype == "int32"


TOGETHER = {
    "combine": {"class": "combine", "kind": "add", "from": ["data", "other"]},
    "compare": {"class": "compare", "kind": "less", "from": ["other", "data"]},
    "copy": {"class": "copy", "from": ["data", "other"]},
    "concat": {"class": "concat", "from": [("data", "F"), ("other", "F")]},
    "eval": {"class": "eval", "eval": "source(0) + source(1)", "from": ["data", "other"]},
}


@pytest.mark.parametrize("options", TOGETHER.values(), ids=TOGETHER)
def test_inputs_of_different_dtypes(options):
    other = {"other": {"class": "cast", "dtype": "int32", "from": "data"}}
    with pytest.raises(TenureError, match="int32"):
        run({**other, "output": options})
    run({"other": {"class": "cast", "dtype": "float32", "from": "data"}, "output": options})


def test_logic_is_about_what_is_true():
    with pytest.raises(TenureError, match="true or false"):
        run({"output": {"class": "combine", "kind": "logical_and", "from": ["data", "data"]}})
