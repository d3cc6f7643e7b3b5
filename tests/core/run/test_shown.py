"""A module shows itself as the call that built it."""

import numpy as np

import tenure as tn
from tenure import nn
from tenure.core.run.shown import call_text


class Box:
    def __init__(self, size, *more, color="red", **options):
        pass


def test_arguments_by_name_less_those_that_are_as_by_default():
    assert call_text(Box, (3,), {"color": "red"}) == "Box(size=3)"
    assert call_text(Box, (3, 4, 5), {"color": "blue", "x": 1}) == "Box(size=3, 4, 5, color='blue', x=1)"


def test_long_calls_have_a_row_for_each_argument():
    text = call_text(Box, (list(range(40)),), {"color": "b" * 30})
    assert (
        text.startswith("Box(\n    size=[0,")
        and text.endswith(",\n)")
        and all(len(line) <= 120 for line in text.splitlines())
    )


def test_arrays_that_do_not_compare_are_shown():
    class Held:
        def __init__(self, values=np.zeros(2)):
            pass

    assert "values=" in call_text(Held, (np.zeros(2),), {})


def test_modules_show_themselves():
    assert (
        tn.transform(lambda: repr(nn.Linear(3, with_bias=False))).apply({}, None)
        == "Linear(output_size=3, with_bias=False)"
    )
