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


def test_the_norm_that_clips_is_that_of_all_layers_in_this_step_alone():
    trainable = {"a": {"W": True}, "b": {"W": True}}
    config, own = (
        {"gradient_clip_global_norm": 1.0, "accum_grad_multiple_step": 2},
        {"b": {"accum_grad_multiple_step": 1}},
    )
    updater = Updater(config, trainable, own)
    params = {"a": {"W": jnp.zeros(1)}, "b": {"W": jnp.zeros(1)}}
    grads, state = {"a": {"W": jnp.array([3.0])}, "b": {"W": jnp.array([4.0])}}, updater.init(params)
    for step in range(2):
        params, state = updater.update(grads, state, params, learning_rate=1.0, step=step)
    np.testing.assert_allclose(params["a"]["W"], [-(3 + 3) / 5], rtol=1e-6)
    np.testing.assert_allclose(params["b"]["W"], [-2 * 4 / 5], rtol=1e-6)


@pytest.mark.parametrize("factor", [{}, {"decouple_constraints_factor": 0.5}])
def test_decoupled_constraints_move_parameters_by_their_gradient_whatever_the_factor(factor):
    updater = Updater({"decouple_constraints": True, **factor}, {"h": {"W": True}})
    params, pulls = {"h": {"W": jnp.ones(1)}}, {"h": {"W": jnp.array([0.25])}}
    grads = {"h": {"W": jnp.array([1.0])}}
    new, _ = updater.update(grads, updater.init(params), params, learning_rate=0.1, step=0, constraints=pulls)
    np.testing.assert_allclose(new["h"]["W"], [1 - 0.1 - 0.25], rtol=1e-6)


def moved(**clipping):
    """How an embedding with the gradients 3 and 1 of its first row, and a bias with the gradient 2, move."""
    names = {"embed": {"W": True}, "h": {"b": True}}
    updater = Updater({"optimizer": "sgd", **clipping}, names, by_place=frozenset({PATH}))
    assert set(updater.probes) == {PATH}
    limit = updater.probes[PATH] or 9.0
    at_places = [min(3.0, limit), min(1.0, limit)]
    params = {"embed": {"W": jnp.zeros((2, 1))}, "h": {"b": jnp.zeros(1)}}
    grads = {"embed": {"W": jnp.float32([[sum(at_places)], [0]])}, "h": {"b": jnp.float32([2])}}
    squares = {PATH: jnp.float32([9 + 1, sum(g * g for g in at_places)])}
    new, _ = updater.update(grads, updater.init(params), params, learning_rate=1.0, step=0, squares=squares)
    return -float(new["embed"]["W"][0, 0]), -float(new["h"]["b"][0])


def test_an_embedding_is_clipped_at_each_place_by_itself():
    """TensorFlow's numbers, whose gradient of such a matrix is a list of rows."""
    np.testing.assert_allclose(moved(gradient_clip=2.0), (2 + 1, 2))
    np.testing.assert_allclose(moved(gradient_clip_norm=1.0), (4 / 10**0.5, 1), rtol=1e-6)
    norm = (9 + 1 + 4) ** 0.5
    np.testing.assert_allclose(moved(gradient_clip_global_norm=1.0), (4 / norm, 2 / norm), rtol=1e-6)


@pytest.mark.parametrize(
    "more", [{}, {"gradient_clip": 1.0, "gradient_noise": 0.1}, {"gradient_clip": 1.0, "accum_grad_multiple_step": 2}]
)
def test_places_are_looked_at_only_where_they_make_a_difference(more):
    assert not Updater(more, {"embed": {"W": True}}, by_place=frozenset({PATH})).probes
