"""From gradients to new parameters, as a config asks for it."""

import jax.numpy as jnp
import numpy as np
import pytest

from tenure.training.errors import ConfigError
from tenure.training.optimizing.updater import Updater
from tests.training.optimizing.embedding_rows import PATH


def test_a_row_that_is_read_moves_though_its_gradient_is_zero():
    updater = Updater({"momentum": 0.9}, {"embed": {"W": True}}, {}, {PATH: ("data",)})
    params, grads = {"embed": {"W": jnp.ones((2, 1))}}, {"embed": {"W": jnp.float32([[1], [1]])}}
    params, state = updater.update(grads, updater.init(params), params, learning_rate=0.1, step=0)
    zero = {"embed": {"W": jnp.zeros((2, 1))}}
    read, _ = updater.update(zero, state, params, learning_rate=0.1, step=1, labels={"data": jnp.int32([0])})
    np.testing.assert_allclose(read["embed"]["W"][:, 0], [0.9 - 0.09, 0.9], rtol=1e-6)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"optimizer": {"class": "adamm"}}, "nearest names: adam"),
        ({"optimizer": {"class": "adam", "beta": 1}}, "has no option 'beta'"),
        ({"optimizer": 5}, "optimizer is 5"),
    ],
)
def test_what_cannot_be_used_is_refused(config, said):
    with pytest.raises(ConfigError, match=said):
        Updater(config, {"h": {"W": True}})


def test_what_only_writes_summaries_is_taken():
    assert Updater({"debug_grad_summaries": True}, {"h": {"W": True}}).parts


def test_options_of_a_layer_that_are_none_are_refused():
    with pytest.raises(ConfigError, match="updater_opts of layer 'h' have no 'learning_rate_multiplier'"):
        Updater({}, {"h": {"W": True}}, {"h": {"learning_rate_multiplier": 2}})
