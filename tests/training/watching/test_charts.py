"""Curves over epochs as SVG."""

import re

from tenure.training.watching.charts import chart


def test_a_chart_of_one_value_and_of_equal_values_and_of_none():
    assert chart({}) == "" and chart({"a": {}}) == ""
    for values in ({1: 0.0}, {1: 3.0, 2: 3.0}, {1: 1e-9, 2: 1e9}, {1: -1.0, 5: 1.0}):
        numbers = re.findall(r'c[xy]="([^"]+)"', chart({"a": values}))
        assert len(numbers) == 2 * len(values) and all(0 <= float(n) <= 440 for n in numbers)
