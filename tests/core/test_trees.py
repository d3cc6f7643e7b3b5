"""Two-level dicts: paths, parts and back, and trees inside of an optimizer's state."""

import pytest

import tenure as tn
from tenure.core import trees
from tenure.core.errors import TreeError, UnknownSlotError

TREE = {"a/b": {"w": 1, "b": 2}, "~": {"x": 3}}


def test_paths_and_back():
    flat = trees.flat(TREE, "params")
    assert flat == {"a/b/w": 1, "a/b/b": 2, "~/x": 3} and trees.nest(flat) == TREE
    assert trees.flat(None, "state") == {}
    assert trees.leaf(TREE, "a/b/b") == 2
    with pytest.raises(UnknownSlotError, match="'a/b/c'"):
        trees.leaf(TREE, "a/b/c")


def test_a_copy_has_dicts_of_its_own():
    copy = trees.copied(TREE)
    trees.put(copy, "a/b/w", 9)
    trees.put(copy, "c/w", 4)
    assert TREE["a/b"]["w"] == 1 and "c" not in TREE and copy["c"] == {"w": 4}


def test_parts_and_back():
    mask = {"a/b": {"w": True, "b": False}, "~": {"x": True}}
    chosen, rest = tn.partition(TREE, mask)
    assert (chosen, rest) == ({"a/b": {"w": 1}, "~": {"x": 3}}, {"a/b": {"b": 2}})
    assert tn.combine(chosen, rest) == TREE


def test_trees_in_a_state_are_those_of_the_params_structure():
    state = ({"count": 1, "mu": TREE}, [TREE, {"a/b": {"w": 5}}])
    found = trees.in_trees(state, TREE, lambda tree: {**tree, "~": {"x": 0}})
    assert found[0]["mu"]["~"] == {"x": 0} == found[1][0]["~"] and found[1][1] == {"a/b": {"w": 5}}


@pytest.mark.parametrize("tree", [3, [TREE], {"a": 1}, {"a": [1]}])
def test_what_is_no_tree_is_told(tree):
    with pytest.raises(TreeError, match="params must be"):
        trees.check_tree(tree, "params")
