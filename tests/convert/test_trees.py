"""Nested containers and flat names."""

import pytest

from tenure.convert.trees import flattened, nested


def test_there_and_back():
    tree = {"b": {"w": 1, "a": {"x": 2}}, "a": 3}
    assert list(flattened(tree)) == ["b/w", "b/a/x", "a"]  # in their order
    assert nested(flattened(tree)) == tree
    assert flattened({"a": {"w": 1}}, ".") == {"a.w": 1}
    assert flattened([5, (6, {"k": 7})]) == {"0": 5, "1/0": 6, "1/1/k": 7}


def test_names_that_come_twice_and_containers_without_end_are_refused():
    with pytest.raises(ValueError, match="'a/b'"):
        flattened({"a": {"b": 1}, "a/b": 2})
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match="nested more than"):
        flattened(endless)
