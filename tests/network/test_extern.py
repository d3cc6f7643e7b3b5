"""What the network is fed."""

import jax
import numpy as np
import pytest

import tenure as tn
import tenure.network as network
from tenure import TenureError
from tenure.network import Dim, batch_dim, feature_dim

DATA = {"data": {"dim": 3}, "classes": {"dim": 5, "sparse": True}}


def linear(**more):
    return {"class": "linear", "n_out": 4, "from": "data", **more}


def test_a_batch_that_does_not_fit():
    net = tn.network({"output": linear()}, DATA)
    params, state = net.init(jax.random.key(0))
    for batch, said in [
        ({"data": np.ones((2, 3))}, r"'data' has shape \(2, 3\)"),
        ({"data": np.ones((2, 3, 4))}, r"'data' has shape \(2, 3, 4\)"),
        ({"dat": np.ones((2, 3, 3))}, "nearest names: data"),
        ({}, "'data:data'"),
    ]:
        with pytest.raises(tn.TenureError, match=said):
            net.apply(params, state, None, batch)


def test_dims_in_a_list():
    time = Dim(None, "time")
    for dims in ([batch_dim, time, feature_dim(3)], [batch_dim(), time, 3], ["B", "T", "F"]):
        made = network.network(
            {"output": {"class": "linear", "n_out": 2, "from": "data"}}, {"data": {"dim_tags": dims, "dim": 3}}
        )
        assert made.plan().ledger.count() == 8
    with pytest.raises(TenureError, match="its dim 1 is 'when'"):
        network.network({"output": {"class": "copy", "from": "data"}}, {"data": {"dim_tags": ["B", "when", 3]}})


@pytest.mark.parametrize(
    "options",
    [
        {"dim": "4"},
        {"dim": 4.0},
        {"dim": -1},
        {"dim": True},
        {"dim": []},
        {"dim": 10**30},
        {"shape": (None, "4")},
        {"shape": 4},
        {"dtype": "int7"},
        {"dtype": []},
        {"sparse": "yes"},
        {"available_for_inference": np.ones(2)},
        {"time_dim_axis": 0.5},
        {"batch_dim_axis": 10**30},
        {"feature_dim_axis": np.ones(2)},
    ],
)
def test_options_of_a_wrong_kind(options):
    (name,) = options
    with pytest.raises(TenureError, match=rf"extern_data\['data'\]: '{name}' is "):
        network.network({"output": {"class": "copy", "from": "data"}}, {"data": {"dim": 4, **options}})


@pytest.mark.parametrize(
    "option, shape",
    [
        ("batch_dim_axis", {}),
        ("time_dim_axis", {}),
        ("feature_dim_axis", {}),
        ("time_dim_axis", {"dim_tags": ["B", "T", "F"]}),
        ("feature_dim_axis", {"dim_tags": ["B", "T", "F"]}),
    ],
)
def test_an_axis_that_there_is_not(option, shape):
    for axis in (3, -4):
        with pytest.raises(TenureError, match=rf"'{option}' is {axis}, of 3 axes"):
            network.network({"output": {"class": "copy", "from": "data"}}, {"data": {"dim": 4, option: axis, **shape}})


def test_axes_counted_from_the_last():
    given = {"dim": 4, "batch_dim_axis": -1, "shape": (4, None), "time_dim_axis": -2, "feature_dim_axis": -3}
    (found,) = network.network({"output": {"class": "copy", "from": "data"}}, {"data": given}).templates.values()
    x = found.tensor
    assert (x.time_axis, x.feature_axis) == (1, 0) and x.dims[2].is_batch and x.dims[0].size == 4


def test_a_dtype_of_none_is_the_usual_one():
    inputs = {"data": {"dim": 4, "dtype": None}, "classes": {"dim": 4, "sparse": True, "dtype": None}}
    net = network.network({"output": {"class": "copy", "from": "data"}}, inputs)
    assert [str(t.dtype) for t in net.templates.values()] == ["float32", "int32"]


@pytest.mark.parametrize(
    ("lengths", "said"),
    [
        ([4, 3], r"'data' has the lengths \[4, 3\] along .*: 4 is above the array's size 3"),
        ([3, -1], "-1 is negative"),
        ([3, 2.5], "they are no whole numbers"),
        ([3, np.nan], "they are no whole numbers"),
        ([True, False], "they are no whole numbers"),
        (["a", "b"], "they are no whole numbers"),
        ([3], "there are 2 sequences"),
        ([[3, 2]], "one for each sequence is needed"),
        (3, "one for each sequence is needed"),
        ([2**40, 1], "above the array's size"),
    ],
)
def test_lengths_are_one_whole_number_for_each_sequence(lengths, said):
    loop = {"class": "rec", "from": "data", "unit": {"output": linear(**{"from": ["data:source", "prev:output"]})}}
    net = tn.network({"output": loop}, DATA)
    params, state = net.init(jax.random.key(0))
    batch = {"data": (np.ones((2, 3, 3), "float32"), lengths)}
    for given in (batch, {"data": (batch["data"][0], {net.templates["data"].tensor.dims[1]: lengths})}):
        with pytest.raises(network.errors.DataError, match=said):
            net.apply(params, state, None, given, losses=False)


def test_what_is_known_of_traced_lengths_is_checked():
    net = tn.network({"output": linear()}, DATA)
    params, state = net.init(jax.random.key(0))

    def run(lengths):
        return net.apply(params, state, None, {"data": (np.ones((2, 3, 3), "float32"), lengths)}, losses=False)[0]

    assert jax.jit(lambda n: run(n).outputs["output"].data)(np.array([3, 1])).shape == (2, 3, 4)
    for wrong in (np.array([3.0, 1.0]), np.array([3, 1, 1])):
        with pytest.raises(network.errors.DataError, match="whole numbers|2 sequences"):
            jax.jit(lambda n: run(n).outputs["output"].data)(wrong)


def test_lengths_of_a_dim_that_the_data_lack():
    net = tn.network({"output": linear()}, DATA)
    params, state = net.init(jax.random.key(0))
    with pytest.raises(network.errors.DataError, match="'data' has lengths of .*other"):
        net.apply(params, state, None, {"data": (np.ones((2, 3, 3), "float32"), {Dim(None, "other"): [3, 1]})})
