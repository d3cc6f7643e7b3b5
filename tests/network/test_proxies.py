"""What functions and expressions of configs ask layers, data and the network for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure.network as network
from tenure import TenureError
from tenure.network.tf import tf
from tests.network.layers.running import BATCH, KEEP, LENGTHS, X, data

CALL = "self.network.get_config().typed_value('f')(source(0, as_data=True), network=self.network)"


def outputs(function, *, net=None, train=False, step=None, compiled=True):
    """The outputs of a network whose output is what the function gives."""
    layers = {**(net or {}), "output": {"class": "eval", "eval": CALL, "from": "data"}}
    made = network.Network(layers, data(), behavior_version=0, config={"f": function})
    params, state = made.init(jax.random.key(0), BATCH)

    def forward(params, step):
        return made.apply(params, state, jax.random.key(1), BATCH, train=train, step=step)[0].outputs["output"].data

    return np.asarray((jax.jit(forward) if compiled else forward)(params, step))


def test_training_and_its_steps():
    def f(data, network, **_):
        big = tf.where(tf.greater_equal(network.global_train_step, 1000), 2.0, 1.0)
        return network.cond_on_train(lambda: data.placeholder * big, lambda: data.placeholder)

    assert np.allclose(outputs(f, train=True, step=1000), 2 * X) and np.allclose(outputs(f, train=True, step=999), X)
    assert np.allclose(outputs(f, step=1000), X)


def test_the_form_of_data():
    seen = {}

    def f(data, network, **_):
        seen["axes"] = (
            data.get_dynamic_axes(),
            data.get_static_axes(),
            data.get_spatial_axes(),
            data.get_axes(exclude_batch=True),
        )
        seen["major"] = (data.is_batch_major, data.is_time_major, data.copy_as_time_major().is_time_major)
        seen["numbers"] = (
            data.dim,
            data.ndim,
            data.batch_ndim,
            data.time_dim_axis_excluding_batch,
            data.get_batch_dim(),
        )
        seen["shape"] = (
            data.placeholder.get_shape().ndims,
            data.placeholder.get_shape().as_list(),
            data.have_time_axis(),
        )
        same = jnp.stack([data.get_dynamic_size(1), data.get_sequence_lengths(), data.size_placeholder[0]])
        keep = data.get_sequence_mask() & data.get_sequence_mask_broadcast()[..., 0]
        y = tf.where(keep[..., None], data.get_placeholder_as_batch_major(), 9.0)
        return y + 0.0 * tf.cast(tf.reduce_sum(same), "float32")

    y = outputs(f)
    assert np.allclose(y[KEEP], X[KEEP]) and np.all(y[~KEEP] == 9)
    assert seen["axes"] == ([1], [2], [1], [1, 2]) and seen["major"] == (True, False, True)
    assert seen["numbers"] == (5, 2, 3, 0, 3) and seen["shape"] == (3, [3, 6, 5], True)


def test_arrays_have_these_methods_only_while_a_function_runs():
    outputs(lambda data, **_: data.placeholder * data.placeholder.get_shape().ndims, compiled=False)
    assert not hasattr(jnp.ones(2), "get_shape")


NETS = {
    "by index": "self.network.layers['a'].output.placeholder + source(0)",
    "by name": "self.network.get_layer('a').output.placeholder + source(0)",
    "from inside": "self.network.parent_net.get_layer('a').output.placeholder + source(0)",
    "an input": "self.network.get_layer('data').output.placeholder * 2 + source(0)",
    "a source": "self.sources[0].output.placeholder * 2 + self.network.get_root_network().get_layer('data').output.placeholder",
}


@pytest.mark.parametrize("name", NETS)
def test_other_layers(name):
    inside = {"output": {"class": "eval", "eval": NETS[name], "from": "data"}}
    net = {"z": {"class": "copy", "from": "data"}, "a": {"class": "eval", "eval": "source(0) * 2", "from": "data"}}
    net["output"] = (
        {"class": "subnetwork", "subnetwork": inside, "from": "data"} if "inside" in name else inside["output"]
    )
    made = network.Network(net, data(), behavior_version=0)
    assert np.allclose(made.apply({}, {}, None, BATCH)[0].outputs["output"].data, 3 * X, atol=1e-6)


def test_what_is_not_there():
    with pytest.raises(TenureError, match=r"typo.*no 'functoin'|no 'functoin'"):
        layers = {
            "output": {"class": "eval", "eval": "self.network.get_config().typed_value('functoin')", "from": "data"}
        }
        network.network(layers, data(), config={"function": 1})
    with pytest.raises(TenureError, match="'b'"):
        layers = {"output": {"class": "eval", "eval": "self.network.get_layer('b').output.placeholder", "from": "data"}}
        network.network(layers, data())
    with pytest.raises(TenureError, match="not computed yet"):
        outputs(
            lambda data, network, **_: network.get_layer("later").output.placeholder, net={"later": {"class": "copy"}}
        )


def test_a_function_that_imports_tensorflow_gets_what_is_mapped():
    def doubled(x):
        import tensorflow.compat.v1 as tf
        from TFUtil import where_bc

        return where_bc(tf.less(x, 0.0), 0.0, tf.add(x, x))

    def f(data, network, **_):
        import tensorflow as tf

        return tf.nn.relu(doubled(data.placeholder))

    assert np.allclose(outputs(f), np.maximum(2 * X, 0))
    with pytest.raises(ImportError):
        doubled(X)


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


def test_a_template_is_filled_by_the_function():
    def f(data, network, **_):
        out = data.copy_template(name="twice")
        assert out.placeholder is None and out.copy_template_excluding_time_dim().batch_ndim == 2
        out.placeholder = data.placeholder * 2
        return out

    assert np.allclose(outputs(f), 2 * X)


def test_the_networks_inputs_and_place():
    def f(data, network, **_):
        extern = network.extern_data
        assert extern.default_input == "data" and set(extern.data) == {"data", "classes"} and extern.has_data("data")
        assert network._rec_parent_net is None and network.get_data_batch_dim() == 3 and not network.recurrent
        assert network.get_absolute_name_prefix() == "" and network.get_config().opt_typed_value("none") is None
        assert network.get_config().bool("none", None) is None and network.get_config().float("none", 1.5) == 1.5
        return (
            extern.get_default_input_data().placeholder
            + tf.cast(extern.data["classes"].placeholder, "float32")[..., None]
        )

    assert np.allclose(outputs(f), X + BATCH["classes"][0][..., None])


@pytest.mark.parametrize("around", ["_rec_parent_net", "parent_net", "get_root_network()"])
def test_the_network_around_a_loop(around):
    more = f"tf.cast(self.network.{around}.get_layer('a').output.placeholder[0, 0, 0], 'float32')"
    unit = {
        "output": {"class": "eval", "eval": f"source(0) + source(1) + {more}", "from": ["data:source", "prev:output"]}
    }
    net = {
        "a": {"class": "eval", "eval": "tf.ones_like(source(0))", "from": "data"},
        "b": {"class": "eval", "eval": "source(0) * 0.0 + self.network.layers['a'].output.placeholder", "from": "data"},
        "output": {"class": "rec", "unit": unit, "from": "b"},
    }
    made = network.Network(net, data(), behavior_version=0)
    y = np.asarray(made.apply({}, {}, None, BATCH)[0].outputs["output"].data)
    assert np.allclose(y[:, 0, 0], 2 * np.arange(1, 7))
