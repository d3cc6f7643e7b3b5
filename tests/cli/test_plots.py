"""Curves in the terminal."""

import math

import pytest

from tenure.cli.plots import MARKS, plot


def test_a_curve_goes_from_its_first_to_its_last_value():
    lines = plot({"dev": {1: 4.0, 2: 2.0, 3: 1.0}}, width=20, height=4)
    assert lines[0].startswith("4 ┤●") and lines[3].startswith("1 ┤") and lines[3].endswith("●")
    assert lines[-1].strip() == "● dev" and lines[-2].split() == ["1", "3"]
    assert all(len(line) <= 20 for line in lines)


def test_large_ranges_are_logarithmic_and_say_so():
    lines = plot({"a": {1: 1000.0, 2: 31.6, 3: 1.0}}, height=3)
    assert "(logarithmic)" in lines[-1] and "●" in lines[1]  # the middle of the logarithms
    assert "(logarithmic)" not in plot({"a": {1: 10.0, 2: 1.0}})[-1]


@pytest.mark.parametrize("curves", [{}, {"a": {}}, {"a": {1: math.nan}}])
def test_nothing_to_show_is_no_line(curves):
    assert plot(curves) == []


def test_each_curve_has_a_mark_of_its_own_as_long_as_there_are_some():
    names = plot({str(i): {1: float(i), 2: 1.0} for i in range(len(MARKS))})[-1]
    assert all(mark in names for mark in MARKS)
    assert plot({"a": {3: 5.0}})[-2].split() == ["3"]  # one value, equal values
