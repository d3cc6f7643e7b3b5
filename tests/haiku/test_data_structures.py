"""Functions on two-level dicts, next to dm-haiku's."""

import haiku
import jax.numpy as jnp
import pytest

import tenure.haiku as hk

TREE = {"b": {"w": jnp.ones(2), "b": jnp.zeros(1)}, "a": {"w": jnp.ones(3)}}
OURS, THEIRS = hk.data_structures, haiku.data_structures


def shapes(tree):
    return {m: {n: v.shape for n, v in entries.items()} for m, entries in tree.items()}


def test_parts_of_a_structure():
    for call in (
        lambda d: d.partition(lambda m, n, v: n == "w", TREE),
        lambda d: d.partition_n(lambda m, n, v: v.size % 3, TREE, 3),
        lambda d: (d.filter(lambda m, n, v: m == "a", TREE),),
        lambda d: (d.map(lambda m, n, v: v[None], TREE),),
        lambda d: (d.merge(TREE, {"c": {"w": jnp.ones(1)}}),),
    ):
        assert [shapes(part) for part in call(OURS)] == [shapes(part) for part in call(THEIRS)]


def test_entries_in_order_and_sizes():
    assert [e[:2] for e in OURS.traverse(TREE)] == [e[:2] for e in THEIRS.traverse(TREE)]
    assert (OURS.tree_size(TREE), OURS.tree_bytes(TREE)) == (THEIRS.tree_size(TREE), THEIRS.tree_bytes(TREE)) == (6, 24)
    assert OURS.is_subset(subset={"a": {"w": 0}}, superset=TREE) and not OURS.is_subset(
        subset={"a": {"x": 0}}, superset=TREE
    )


def test_what_does_not_agree():
    with pytest.raises(ValueError, match=r"f32\[3\] vs f32\[4\]"):
        OURS.merge(TREE, {"a": {"w": jnp.ones(4)}}, check_duplicates=True)
    with pytest.raises(AssertionError):
        OURS.partition_n(lambda m, n, v: 5, TREE, 2)
