"""Dims: what is equal to what, and how long derived ones are."""

import copy

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tenure.network as network
from tenure.network import sizes
from tenure.network.dims import Dim, DimError, batch_dim, feature_dim, product, spatial_dim, stand_for_each_other
from tenure.network.tensor import Tensor

TIME = spatial_dim("time")


def test_two_dims_of_one_name_are_two():
    assert spatial_dim("time") != spatial_dim("time")
    assert TIME == TIME and hash(TIME) == hash(TIME.root)
    assert batch_dim() == Dim(None, "other", kind="batch")


@given(st.lists(st.integers(-5, 5), max_size=6))
def test_sums_depend_on_what_is_added_only(numbers):
    dim = TIME
    for n in numbers:
        dim = dim + n
    assert dim == TIME + sum(numbers)
    assert hash(dim) == hash(TIME + sum(numbers))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((TIME + 2) - 2, TIME),
        ((2 + TIME).sub_left(2), TIME),
        ((TIME * 4) // 4, TIME),
        (TIME.ceildiv(1), TIME),
        ((TIME + 3).ceildiv(2), (TIME + 3).ceildiv(2)),
        (product(TIME, feature_dim(3, "a")) // TIME, None),
    ],
)
def test_equal_expressions_are_equal_dims(one, other):
    if other is None:
        assert one.root.size == 3
    else:
        assert one == other


def test_what_is_added_in_front_is_not_what_is_added_behind():
    assert 2 + TIME != TIME + 2


def test_a_dim_declared_the_same_is_found_under_both():
    one, other = spatial_dim("one"), spatial_dim("other")
    (TIME + 1).declare_same_as(one)
    one.declare_same_as(other)
    assert other == TIME + 1
    assert one + 1 == TIME + 2


def test_a_hash_never_changes():
    a, b = spatial_dim("a"), spatial_dim("b")
    before, found = (hash(a), hash(b), hash(a + 1)), {a: 1, b + 2: 2}
    a.declare_same_as(b)
    assert before == (hash(a), hash(b), hash(a + 1)) and a == b and hash(a) == hash(b) and hash(a + 1) == hash(b + 1)
    assert found[a] == found[b] == 1 and found[a + 2] == found[b + 2] == 2


def test_a_dim_declared_the_same_as_what_is_made_of_it_stays_a_dim():
    dim = spatial_dim("dim")
    dim.declare_same_as(dim + 2)
    assert dim == dim and repr(dim)


def test_a_copy_of_what_names_a_dim_names_that_dim():
    options = {"out_dim": feature_dim(3, "f"), "axis": TIME + 1}
    for copied in (copy.copy(options), copy.deepcopy(options)):
        assert copied == options and copied["out_dim"] is options["out_dim"]


def test_different_sizes_are_not_the_same():
    with pytest.raises(DimError, match="their sizes differ"):
        feature_dim(3).declare_same_as(feature_dim(4))


def test_dims_that_layers_made_stand_for_each_other():
    assert stand_for_each_other(feature_dim(3, auto=True), feature_dim(3, auto=True))
    assert not stand_for_each_other(feature_dim(3), feature_dim(3, auto=True))


@settings(deadline=None)  # the first example compiles
@given(st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3))
def test_lengths_of_derived_dims(lengths, stride, factor, more):
    time = spatial_dim("time")
    with sizes.use(sizes.Sizes()) as known:
        known.declare(time, max(lengths), Tensor(jnp.array(lengths), (batch_dim(),)))
        derived = ((time + more) * factor).ceildiv(stride)
        expected = [-(-((n + more) * factor) // stride) for n in lengths]
        np.testing.assert_array_equal(known.lengths(derived).data, expected)
        assert known.padded(derived) == max(expected)
        short = time - 15
        np.testing.assert_array_equal(known.lengths(short).data, [max(0, n - 15) for n in lengths])


def test_what_no_tensor_has_has_no_size():
    with sizes.use(sizes.Sizes()), pytest.raises(DimError, match="the size of time is not known"):
        sizes.current().padded(TIME)
    with pytest.raises(DimError, match="only while a network runs"):
        sizes.current()


def test_the_axis_of_the_highest_priority_is_meant():
    f = feature_dim(3, "f")
    inputs = {"data": {"dims": [batch_dim(), f]}, "m": {"dims": [f.copy(match_priority=1), f]}}
    x, m = (np.random.RandomState(i).randn(3, 3).astype("float32") for i in range(2))
    layers = {
        "output": {"class": "dot", "from": ["data", "data:m"], "reduce": f},
        "sum": {"class": "reduce", "mode": "sum", "axis": f, "from": "data:m", "is_output_layer": True},
    }
    net = network.Network(layers, inputs)
    found = net.apply({}, {}, None, {"data": x, "m": m})[0].outputs
    assert np.allclose(found["output"].data, x @ m, atol=1e-6) and np.allclose(found["sum"].data, m.sum(0), atol=1e-6)
