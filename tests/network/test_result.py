"""`apply(layers=…)`: layers that nothing else needs, those of searches, those inside of loops, and those that are not there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure.core.errors import MissingParameterError
from tenure.network.errors import LayerNotFoundError, OptionError

NET = {
    "a": {"class": "linear", "n_out": 4, "activation": "tanh", "from": "data"},
    "side": {"class": "linear", "n_out": 5, "from": "a"},
    "plain": {"class": "activation", "activation": "relu", "from": "a"},
    "output": {
        "class": "rec",
        "from": "a",
        "unit": {
            "s": {"class": "rnn_cell", "unit": "LSTMBlock", "n_out": 4, "from": ["data:source", "prev:s"]},
            "kept": {"class": "activation", "activation": "tanh", "from": "s", "is_output_layer": True},
            "lost": {"class": "activation", "activation": "tanh", "from": "s"},
            "output": {"class": "linear", "n_out": 2, "from": "s"},
        },
    },
    "decision": {"class": "copy", "from": "output", "only_on_search": True},
}
BATCH = {"data": jnp.linspace(-1, 1, 30).reshape(2, 5, 3)}


@pytest.fixture(scope="module")
def asked():
    model = tn.network(NET, {"data": {"dim": 3}})
    params, state = model.init(jax.random.key(0), BATCH)

    def ask(*layers, **flags):
        return model.apply(params, state, None, BATCH, layers=layers, **flags)[0].outputs

    return ask


def test_a_layer_that_nothing_needs_is_computed_when_it_is_asked_for(asked):
    found = asked("plain", "a")
    assert list(found) == ["plain", "a"]
    np.testing.assert_array_equal(found["plain"].data, jnp.maximum(found["a"].data, 0))
    assert list(asked("plain", "output")) == ["plain", "output"]


def test_layers_of_loops_are_found_by_their_paths(asked):
    assert asked("output/kept")["output/kept"].shape == (5, 2, 4)
    with pytest.raises(OptionError, match="'is_output_layer': True in the layer 'lost' of the loop 'output'"):
        asked("output/lost")


def test_layers_of_searches_are_there_in_searches(asked):
    assert asked("decision", search=True, losses=False)["decision"].shape == (5, 2, 2)
    with pytest.raises(LayerNotFoundError, match="'decision' was asked for.*'only_on_search'\n.*search=True"):
        asked("decision")


def test_a_layer_without_parameters_says_how_to_get_some(asked):
    with pytest.raises(MissingParameterError, match="1. 'is_output_layer': True in 'side'"):
        asked("side")


def test_a_name_that_is_none_is_an_error_with_the_nearest_one(asked):
    with pytest.raises(LayerNotFoundError, match="^the layer 'plan' was asked for.*\n  nearest names: plain"):
        asked("plan")


def test_the_input_is_found_by_the_name_that_it_was_asked_by(asked):
    np.testing.assert_array_equal(asked("data")["data"].data, BATCH["data"])
