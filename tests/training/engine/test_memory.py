"""How much memory a step needs: the estimate, and what XLA says."""

import jax
import jax.numpy as jnp
import pytest

from tenure.training.batching.buckets import Shape
from tenure.training.engine.feeding import Feed
from tenure.training.engine.memory import Memory, peak, shapes
from tenure.training.engine.model import TRAINING, build
from tenure.training.engine.step import Steps
from tenure.training.optimizing.updater import Updater, layers_with_options
from tests.training.engine.small import config

WIDE = 256
NETS = {
    "feed-forward": {
        "h": {"class": "linear", "activation": "tanh", "n_out": WIDE, "from": "data", "dropout": 0.1},
        "output": {"class": "softmax", "loss": "ce", "from": "h"},
    },
    "attention": {
        "e": {"class": "linear", "n_out": WIDE, "from": "data"},
        "a": {"class": "self_attention", "num_heads": 2, "total_key_dim": WIDE, "n_out": WIDE, "from": "e"},
        "output": {"class": "softmax", "loss": "ce", "from": "a"},
    },
}


def memory(folder, net, size=WIDE):
    given = config(folder, network=net, batch_size=2000)
    network = build(given, net)
    updater = Updater(given, network.trainable(), layers_with_options(network.graph(TRAINING).nodes))
    feed = Feed.of(given["train"], {}, given, network, training=True)
    return Memory(Steps(network, updater), feed, next(feed.batches(1))), feed


@pytest.mark.parametrize("name", NETS)
def test_the_estimate_is_near_what_xla_measures(tmp_path, name):
    found, _ = memory(tmp_path, NETS[name])
    shape = Shape(12, {"data": 128, "classes": 128})
    estimated, measured = found.estimated(shape), found.measured(shape)
    assert measured.bytes > 12 * 128 * WIDE * 4
    assert 0.5 < estimated.bytes / measured.bytes < 2  # XLA joins more or fewer operations as it is told
    assert found.estimated(Shape(24, shape.frames)).bytes > 1.5 * estimated.bytes


def test_shapes_are_those_of_the_batches_the_largest_first(tmp_path):
    _, feed = memory(tmp_path, NETS["feed-forward"])
    found = shapes(feed)
    assert [shape.cells for shape in found] == sorted((shape.cells for shape in found), reverse=True)
    loaded = [batch.arrays["data"].shape[:2] for batch in feed.batches(1)]
    assert {(s.rows, s.frames["data"]): n for s, n in found.items()} == {shape: loaded.count(shape) for shape in loaded}


def test_what_is_alive_at_once_is_added_up():
    def f(x):
        a = jnp.sin(x)  # x and a
        b = jnp.cos(a)  # x, a and b; then a is not needed
        return jnp.tanh(b)  # x, b and the result

    one = 1000 * 4
    jaxpr = jax.make_jaxpr(f)(jnp.zeros(1000)).jaxpr
    assert peak(jaxpr) == 3 * one
    assert peak(jaxpr, donated=1) == 2 * one
    inside = jax.make_jaxpr(lambda x: jax.jit(f)(x))(jnp.zeros(1000)).jaxpr
    assert peak(inside) == 3 * one
