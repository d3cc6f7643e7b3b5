"""Layers on a mesh with explicit axes, which `jax.make_mesh` makes: arrays' types say how they lie."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AbstractMesh, AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import tenure as tn
from tenure import nets, nn
from tests.nn.cases import CASES, TENURE

MESH = AbstractMesh((2,), ("data",), axis_types=(AxisType.Explicit,))
BY_TIME = ("rnn", "lstm", "gru", "core")  # whose inputs are [T, B, …], unless they say "batch first" or "no batch"
SLICED = ("at call", "batch apply", "no batch", "one example", "scalar", "mask")  # what slices, or has no, batch axis
NAMES = [case for case in CASES if not any(word in case.name for word in SLICED)]


def batch_axis(case):
    return 1 if any(word in case.name for word in BY_TIME) and "batch first" not in case.name else 0


@pytest.mark.parametrize("case", NAMES, ids=lambda case: case.name)
def test_batches_are_spread(case):
    """Forward and backward passes are traced; what is computed does not depend on how arrays lie."""
    axis = batch_axis(case)
    model = tn.transform_with_state(lambda *inputs: case.function(TENURE, *inputs))
    spec = P(*[None] * axis, "data")

    def whole(x):
        shape = tuple(n + n % 2 if i == axis else n for i, n in enumerate(jnp.shape(x)))
        return jax.ShapeDtypeStruct(shape, jnp.asarray(x).dtype)

    inputs = [whole(x) for x in case.inputs]
    params, state = jax.eval_shape(model.init, jax.random.key(0), *inputs)

    def loss(params, state, key, *inputs):
        out, _ = model.apply(params, state, key, *inputs)
        return sum(jnp.sum(jnp.real(x).astype(jnp.float32)) for x in jax.tree.leaves(out))

    with jax.sharding.use_abstract_mesh(MESH):
        spread = [
            jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=NamedSharding(MESH, spec if x.ndim > axis else P()))
            for x in inputs
        ]
        key = jax.eval_shape(lambda: jax.random.key(0))
        found = jax.eval_shape(jax.grad(loss, allow_int=True), params, state, key, *spread)
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, params)


def test_rows_of_a_table_that_is_spread():
    """The rows lie as the ids do; the table may be spread over its vocabulary or its dimensions."""
    model = tn.transform(lambda ids: nn.Embed(12, 4)(ids))
    with jax.sharding.use_abstract_mesh(MESH):
        for of_table, of_ids, wanted in (
            (P("data"), P(None), P(None, None, None)),
            (P(None, "data"), P(None), P(None, None, "data")),
            (P(None, "data"), P("data"), P("data", None, None)),
        ):
            table = jax.ShapeDtypeStruct((12, 4), jnp.float32, sharding=NamedSharding(MESH, of_table))
            ids = jax.ShapeDtypeStruct((2, 5), jnp.int32, sharding=NamedSharding(MESH, of_ids))
            found = jax.eval_shape(model.apply, {"embed": {"embeddings": table}}, None, ids)
            assert found.sharding.spec == wanted


TOKENS, VECTORS, IMAGES = ((4, 6), jnp.int32), ((4, 6, 4), jnp.float32), ((4, 32, 32, 3), jnp.float32)
SMALL = {"width": 16, "num_heads": 2, "num_layers": 2}
NETS = {
    "language model": (lambda x: nets.TransformerLM(11, nets.TransformerConfig(**SMALL))(x), TOKENS),
    "rotary": (lambda x: nets.TransformerLM(11, nets.TransformerConfig(**SMALL, positions="rotary"))(x), TOKENS),
    "translator": (lambda x: nets.Transformer(11, 11, nets.TransformerConfig(**SMALL))(x, x), TOKENS),
    "ResNet": (lambda x: nets.ResNet18(10)(x, True), IMAGES),
    "quantizer": (lambda x: nets.VectorQuantizer(4, 5, 0.1)(x, True)["loss"], VECTORS),
    "quantizer, averages": (lambda x: nets.VectorQuantizerEMA(4, 5, 0.1, 0.9)(x, True)["loss"], VECTORS),
    "layer stack": (lambda x: tn.layer_stack(3)(lambda x: nn.Linear(4)(x))(x), VECTORS),
    "stages": (lambda x: nn.Linear(4, stages={"w": ["lora(2)"]})(x), VECTORS),
}


@pytest.mark.parametrize("name", NETS)
def test_batches_of_networks_are_spread(name):
    function, (shape, dtype) = NETS[name]
    model = tn.transform_with_state(function)
    params, state = jax.eval_shape(model.init, jax.random.key(0), jax.ShapeDtypeStruct(shape, dtype))

    def loss(params, state, key, x):
        return jnp.sum(model.apply(params, state, key, x)[0])

    with jax.sharding.use_abstract_mesh(MESH):
        x = jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(MESH, P("data")))
        key = jax.eval_shape(lambda: jax.random.key(0))
        found = jax.eval_shape(jax.grad(loss), params, state, key, x)
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, params)


PROGRAM = """
import jax, jax.numpy as jnp, numpy as np, tenure as tn
from tenure import nn
from jax.sharding import PartitionSpec as P

def f(ids):
    x = nn.Embed(11, 6)(ids)
    core = nn.LSTM(5)
    y, _ = nn.dynamic_unroll(core, x, core.initial_state(ids.shape[0]), time_major=False)
    return nn.Linear(3)(nn.MultiHeadAttention(2, 4, w_init=tn.initializers.VarianceScaling(1.0))(y, y, y))

ids = jnp.arange(24).reshape(4, 6) % 11
model = tn.transform(f)
params = model.init(jax.random.key(0), ids)
loss = lambda params, ids: (model.apply(params, None, ids) ** 2).mean()
wanted = jax.jit(jax.value_and_grad(loss))(params, ids)
mesh = jax.make_mesh((4,), ("data",))
with jax.set_mesh(mesh):
    spread = jax.device_put(ids, P("data"))
    found = jax.jit(jax.value_and_grad(loss))(jax.device_put(params, P()), spread)
    assert model.apply(jax.device_put(params, P()), None, spread).sharding.spec[0] == "data"
for a, b in zip(jax.tree.leaves(wanted), jax.tree.leaves(found)):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
"""


def test_the_same_numbers_on_four_devices():
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
    environment = {**os.environ, "XLA_FLAGS": flags}
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr
