"""What a dictionary costs: nothing, after compiling; and little to plan."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import nn
from tests.seconds import spent

RNG = np.random.RandomState(0)


def compiled(fn, *args):
    """Floating-point operations and temporary bytes of a compiled function and its gradient."""
    program = jax.jit(jax.value_and_grad(fn)).lower(*args).compile()
    return program.cost_analysis()["flops"], program.memory_analysis().temp_size_in_bytes


def networks():
    return {
        "feed-forward": (
            {
                "h1": {"class": "linear", "n_out": 64, "activation": "relu", "from": "data"},
                "h2": {"class": "linear", "n_out": 64, "activation": "relu", "from": "h1"},
                "output": {"class": "linear", "n_out": 10, "activation": None, "from": "h2"},
            },
            lambda x: nn.Linear(10)(jax.nn.relu(nn.Linear(64)(jax.nn.relu(nn.Linear(64)(x))))),
        ),
        "convolutional": (
            {
                "h1": {
                    "class": "conv",
                    "n_out": 32,
                    "filter_size": (3,),
                    "padding": "same",
                    "activation": "relu",
                    "from": "data",
                },
                "h2": {
                    "class": "conv",
                    "n_out": 32,
                    "filter_size": (3,),
                    "padding": "same",
                    "activation": "relu",
                    "from": "h1",
                },
                "output": {"class": "linear", "n_out": 10, "activation": None, "from": "h2"},
            },
            lambda x: nn.Linear(10)(jax.nn.relu(nn.Conv1D(32, 3)(jax.nn.relu(nn.Conv1D(32, 3)(x))))),
        ),
        "normalised": (
            {
                "h1": {"class": "linear", "n_out": 64, "activation": "tanh", "from": "data"},
                "norm": {"class": "layer_norm", "from": "h1"},
                "h2": {"class": "linear", "n_out": 64, "activation": None, "from": "norm"},
                "output": {"class": "combine", "kind": "add", "from": ["h2", "h1"]},
            },
            lambda x: residual(jnp.tanh(nn.Linear(64)(x))),
        ),
    }


def residual(h):
    return h + nn.Linear(64)(nn.LayerNorm(-1, create_scale=True, create_offset=True)(h))


@pytest.mark.parametrize("name", list(networks()))
def test_a_dictionary_compiles_to_what_modules_compile_to(name):
    net, modules = networks()[name]
    x = RNG.randn(4, 20, 40).astype("float32")
    network = tn.network(net, {"data": {"shape": (20, 40)}})
    params, state = network.init(jax.random.key(0))
    theirs = tn.transform(modules)

    def ours(params):
        return jnp.sum(network.apply(params, state, None, {"data": x}, losses=False)[0].outputs["output"].data)

    flops, memory = compiled(ours, params)
    flops_nn, memory_nn = compiled(lambda p: jnp.sum(theirs.apply(p, None, x)), theirs.init(jax.random.key(0), x))
    assert flops <= 1.05 * flops_nn
    assert memory <= 1.05 * memory_nn


def test_three_hundred_layers_are_planned_in_a_second():
    net = {
        f"l{i}": {"class": "linear", "n_out": 64, "activation": "tanh", "from": f"l{i - 1}" if i else "data"}
        for i in range(299)
    }
    net["output"] = {"class": "softmax", "n_out": 10, "from": "l298", "loss": "ce", "target": "classes"}
    data = {"data": {"dim": 64}, "classes": {"dim": 10, "sparse": True}}
    tn.network({"output": net["output"] | {"from": "data"}}, data)  # imports

    assert spent(lambda: tn.network(net, data), 1.0) < 1.0


def test_one_program_serves_all_lengths():
    network = tn.network(networks()["feed-forward"][0], {"data": {"dim": 40}})
    params, state = network.init(jax.random.key(0))
    traced = []

    @jax.jit
    def run(params, x, lengths):
        traced.append(1)
        return network.apply(params, state, None, {"data": (x, lengths)}, losses=False)[0].outputs["output"].data

    for lengths in ([20, 3], [7, 20]):
        run(params, RNG.randn(2, 20, 40).astype("float32"), np.array(lengths))
    assert len(traced) == 1
