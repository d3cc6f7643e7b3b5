"""What functions and expressions of configs ask layers, data and the network for."""

import numpy as np
import pytest

import tenure.network as network
from tenure import TenureError
from tenure.network.tf import tf
from tests.network.functions_of_configs import outputs
from tests.network.layers.running import BATCH, X, data


def test_training_and_its_steps():
    def f(data, network, **_):
        big = tf.where(tf.greater_equal(network.global_train_step, 1000), 2.0, 1.0)
        return network.cond_on_train(lambda: data.placeholder * big, lambda: data.placeholder)

    assert np.allclose(outputs(f, train=True, step=1000), 2 * X) and np.allclose(outputs(f, train=True, step=999), X)
    assert np.allclose(outputs(f, step=1000), X)


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
    with pytest.raises(TenureError, match="functoin +no such key, nearest: function"):
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


@pytest.mark.parametrize("of", ["get_config()", "_config"])
def test_a_function_of_the_config_is_called_by_its_name_in_the_typed_values(of):
    layers = {"output": {"class": "eval", "from": "data", "eval": f"self.network.{of}.typed_dict['half'](source(0))"}}
    made = network.Network(layers, data(), behavior_version=0, config={"half": lambda x: x / 2})
    assert np.allclose(made.apply({}, {}, None, BATCH)[0].outputs["output"].data, X / 2)


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
