"""The optimizers: rows of embeddings that a step does not read stay, as TensorFlow's do."""

import jax.numpy as jnp
import numpy as np
import pytest

from tenure.training.optimizing.kinds import LAZY, kind
from tenure.training.optimizing.updater import Updater
from tests.training.optimizing.embedding_rows import PATH


def after_two_steps(optimizer, embeddings):
    """The parameter after a step that reads rows 0 and 1, and one that reads rows 1 and 2, where 2 has the gradient zero."""
    updater = Updater({"optimizer": optimizer}, {"embed": {"W": True}}, {}, embeddings)
    params = {"embed": {"W": jnp.ones((4, 2))}}
    state = updater.init(params)
    for rows, read in ([1.0, 1.0, 0.0, 0.0], [0, 1]), ([0.0, 2.0, 0.0, 0.0], [1, 2]):
        grads = {"embed": {"W": jnp.outer(jnp.float32(rows), jnp.ones(2))}}
        labels = {"data": jnp.int32([read])}
        params, state = updater.update(grads, state, params, learning_rate=0.1, step=0, labels=labels)
    return np.asarray(params["embed"]["W"]), state


@pytest.mark.parametrize("name", sorted(LAZY))
def test_rows_that_are_not_read_stay(name):
    options = {"class": name, **({"momentum": 0.9} if name in ("momentum", "rmsprop") else {})}
    options |= {"epsilon": 0.01} if name == "adadelta" else {}
    lazy, _ = after_two_steps(options, {PATH: ("data",)})
    np.testing.assert_array_equal(lazy[3], 1)
    assert (lazy[1] != 1).all()
    one, _ = after_two_steps(options, None)
    np.testing.assert_array_equal(lazy[1], one[1])  # what is read in each step is as ever
    if name == "momentum":
        np.testing.assert_allclose(lazy[:, 0], [0.9, 1 - 0.1 - 0.29, 1, 1], rtol=1e-6)
        np.testing.assert_allclose(one[0, 0], 1 - 0.1 - 0.09, rtol=1e-6)


# Of TensorFlow 2.21's optimizers (tf.compat.v1.train) with the same gradients as IndexedSlices: the first column.
TENSORFLOW = {
    "momentum": [0.8999999761581421, 0.60999995470047, 1.0, 1.0],
    "rmsprop": [0.8999999761581421, 0.634588360786438, 1.0, 1.0],
    "adadelta": [0.959175169467926, 0.9058094620704651, 1.0, 1.0],
    "ftrl": [0.6031423807144165, 0.5145809054374695, 0.0, 1.0],
}


@pytest.mark.parametrize("name", TENSORFLOW)
def test_rows_have_the_numbers_of_tensorflow(name):
    options = {"momentum": 0.9} if name in ("momentum", "rmsprop") else {"epsilon": 0.01} if name == "adadelta" else {}
    found, _ = after_two_steps({"class": name, **options}, {PATH: ("data",)})
    np.testing.assert_allclose(found[:, 0], TENSORFLOW[name], rtol=1e-6)


def test_normalised_gradients_have_a_norm_of_one():
    direction, _ = kind({"class": "NormalizedSGD"})
    params = {"w": jnp.zeros(2), "b": jnp.zeros(1)}
    moved, _ = direction.update(
        {"w": jnp.array([3.0, 4.0]), "b": jnp.array([-2.0])}, direction.init(params), params, learning_rate=0.5
    )
    np.testing.assert_allclose(moved["w"], [-0.3, -0.4], rtol=1e-6)
    np.testing.assert_allclose(moved["b"], [0.5], rtol=1e-6)


# Of RETURNN's optimizer with the same gradients.
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"epsilon": 1e-8}, [[0.9994950294, 0.9988397360], [1.0000979900, 0.9996033311]]),
        ({"beta1": 0.5, "beta2": 0.9, "epsilon": 0.01}, [[0.9656299353, 0.9609900117], [0.9909039140, 0.9144653082]]),
    ],
)
def test_gradients_far_from_their_mean_move_less(options, expected):
    direction, _ = kind({"class": "GradVarianceScaled", **options})
    value = jnp.ones((2, 2))
    state = direction.init(value)
    for grad in [[1, -2], [0.5, 3]], [[-0.2, 1], [2, -1]], [[0.3, 0.4], [-1, 5]]:
        moved, state = direction.update(jnp.float32(grad), state, value, learning_rate=0.1)
        value = value + moved
    np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_smorms3_is_as_its_author_writes_it():
    """Three steps for two entries, by the lines of https://sifter.org/~simon/journal/20150420.html."""
    steps, rate, eps = np.random.RandomState(0).normal(size=(3, 2)), 0.3, 1e-16
    direction, _ = kind({"class": "smorms3"})
    params, expected = jnp.ones(2), np.ones(2)
    state = direction.init(params)
    mem, g, g2 = np.ones(2), np.zeros(2), np.zeros(2)
    for grad in steps:
        updates, state = direction.update(jnp.asarray(grad), state, params, learning_rate=rate)
        params = params + updates
        r = 1 / (mem + 1)
        g, g2 = (1 - r) * g + r * grad, (1 - r) * g2 + r * grad**2
        expected = expected - grad * np.minimum(rate, g * g / (g2 + eps)) / (np.sqrt(g2) + eps)
        mem = 1 + mem * (1 - g * g / (g2 + eps))
    np.testing.assert_allclose(params, expected, rtol=1e-5)
    assert np.abs(expected - 1).min() > 0.1


def test_smorms3_alone_in_a_config():
    updater = Updater({"smorms3": True, "optimizer_epsilon": 1e-8}, {"embed": {"W": True}}, {}, None)
    params = {"embed": {"W": jnp.ones((4, 2))}}
    moved, _ = updater.update(params, updater.init(params), params, learning_rate=0.1, step=0)
    np.testing.assert_allclose(moved["embed"]["W"], 1 - 0.1 / 0.5**0.5, rtol=1e-5)
