"""`out_type`: what a dictionary says of an output that a layer cannot know."""

import numpy as np
import pytest

import tenure.network as network
from tenure import TenureError
from tests.network.layers.running import BATCH, LENGTHS, data, output


def test_a_shape_means_one_for_each_sequence():
    """`'shape': ()` describes what there is for each sequence; the batch comes in addition."""
    options = {
        "class": "eval",
        "from": [],
        "eval": "tf.constant([1, 2, 3])",
        "out_type": {"shape": (), "dtype": "int32"},
    }
    found, tensor = output(options)
    assert tensor.batch_axis == 0
    np.testing.assert_array_equal(found, [1, 2, 3])


DATA = {"data": {"dim": 3}}


def test_a_result_of_other_axes_is_told_by_its_dims():
    net = {"output": {"class": "eval", "eval": "tf.expand_dims(source(0), 2)", "from": "data"}}
    with pytest.raises(TenureError, match=r"the result is \[batch, time:data, 1, .*3.*\]") as error:
        network.network(net, DATA)
    assert "auto_convert=False" in str(error.value)


def test_lengths_of_another_axis_than_the_first():
    """None in a shape is the dynamic dim that the result has."""
    net = {
        "pooled": {"class": "pool", "mode": "max", "pool_size": (2,), "padding": "same", "from": "data"},
        "output": {
            "class": "eval",
            "from": ["data:classes", "pooled"],
            "eval": "tf.reduce_max(source(1, auto_convert=False), axis=2)",
            "out_type": {"shape": (None,), "batch_dim_axis": 0, "time_dim_axis": 1, "dtype": "float32", "dim": None},
        },
    }
    made = network.network(net, data(), behavior_version=0)
    y = made.apply({}, {}, None, BATCH)[0].outputs["output"]
    assert np.asarray(y.lengths[y.dims[1]].data).tolist() == (-(-LENGTHS // 2)).tolist() and y.shape == (3, 3)


def test_a_function_is_given_layers_and_says_all_of_the_output():
    """Lengths are those of an input, by the very array, or are computed; without 'shape', there are frames of labels."""

    def described(sources, **keywords):
        return {"sparse": True, "dim": 7, "size_placeholder": {0: sources[0].output.get_sequence_lengths()}}

    options = {"class": "eval", "eval": "tf.cast(source(0)[:, :, 0], 'int32')", "from": "data", "out_type": described}
    found, tensor = output(options)
    assert found.shape == (3, 6) and tensor.sparse_dim.size == 7
    np.testing.assert_array_equal(tensor.lengths[tensor.dims[1]].data, LENGTHS)

    def other(sources, **keywords):
        return {
            "shape": (None,),
            "dtype": "int32",
            "size_placeholder": {0: sources[0].output.get_sequence_lengths() // 2},
        }

    _, tensor = output({**options, "eval": "tf.cast(source(0)[:, :3, 0], 'int32')", "out_type": other})
    assert tensor.shape == (3, 3)
    np.testing.assert_array_equal(tensor.lengths[tensor.dims[1]].data, LENGTHS // 2)


@pytest.mark.parametrize(
    "given, eval, dims",
    [
        ({}, "source(0)", ("batch", "time", "feature")),
        ({"time_dim_axis": None}, "source(0)[:, 0]", ("batch", "feature")),
        ({"batch_dim_axis": None}, "source(0)[0, 0]", ("feature",)),
        ({"size_placeholder": {0: np.array([1])}, "shape": (None, 5)}, "source(0)", None),
    ],
)
def test_the_axes_that_a_function_does_not_name_are_those_of_an_object_data(given, eval, dims):
    """RETURNN's own rules; `size_placeholder` must have the length of each sequence."""
    options = {"class": "eval", "eval": eval, "from": "data", "out_type": lambda **keywords: {"dim": 5, **given}}
    if dims is None:
        with pytest.raises(TenureError, match="the length of each sequence"):
            output(options)
        return
    sizes = {"batch": 3, "time": 6, "feature": 5}
    _, tensor = output(options)
    assert tensor.shape == tuple(sizes[name] for name in dims)
