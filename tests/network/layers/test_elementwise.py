"""Element by element: what inputs of several dtypes may be combined, and what activations take."""

import jax.numpy as jnp
import numpy as np
import pytest

from tenure.core.errors import TenureError
from tests.network.layers.running import KEEP, output, run

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


def test_a_function_that_needs_all_steps_of_a_loop_gets_them():
    """The layer before it is moved out of the loop: the function cannot be computed for one step, as there is no time axis then."""

    def total(source, **keywords):
        x = source(0, as_data=True)
        assert x.is_batch_major
        return jnp.where(x.get_sequence_mask()[..., None], x.placeholder, 0).sum(x.time_dim_axis)

    def frame(source, **keywords):
        x = source(0, as_data=True)
        return x.placeholder + jnp.arange(2)  # what can be computed for one step is

    unit = {
        "h": {"class": "linear", "activation": "tanh", "n_out": 2, "from": "data:source"},
        "total": {"class": "eval", "eval": total, "from": "h", "out_type": {"shape": (2,), "batch_dim_axis": 0}},
        "frame": {"class": "eval", "eval": frame, "from": "h"},
        "output": {"class": "combine", "kind": "add", "from": ["frame", "total"]},
    }
    result, _ = run({"loop": {"class": "rec", "from": "data", "unit": unit}, "h": {"class": "copy", "from": "loop/h"}})
    h = np.asarray(result.outputs["h"].batch_first().data) * KEEP[..., None]
    found = np.asarray(result.outputs["loop"].batch_first().data) * KEEP[..., None]
    wanted = (h + np.arange(2) + h.sum(1, keepdims=True)) * KEEP[..., None]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_a_mistake_in_a_function_that_needs_all_steps_is_told():
    """One step fails as there is no time axis, which is not what is wrong."""

    def total(source, **keywords):
        x = source(0, as_data=True)
        return x.get_sequence_mask() + [][0]

    unit = {
        "total": {"class": "eval", "eval": total, "from": "data:source", "out_type": {"shape": (5,)}},
        "output": {"class": "copy", "from": "total"},
    }
    with pytest.raises(TenureError, match=r"no time axis(.|\n)*all steps at once +loop/total +IndexError: list index"):
        run({"loop": {"class": "rec", "from": "data", "unit": unit}})


def test_the_line_of_a_function_that_fails_is_told():
    def wrong(source, **keywords):
        return [][source(0).ndim]

    with pytest.raises(TenureError, match=r"IndexError(.|\n)*raised at +\S*test_elementwise\.py:\d+"):
        output({"class": "eval", "eval": wrong})
    with pytest.raises(TenureError) as raised:
        output({"class": "combine", "kind": "no such kind"})
    assert "raised at" not in str(raised.value)
