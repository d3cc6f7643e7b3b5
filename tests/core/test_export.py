"""`jax.export` with symbolic sizes: exported, serialised, read back in another process, same numbers."""

import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import tenure as tn
from tenure import nets, nn
from tests.core.zoo import ZOO

KEY = jax.random.key(0)


def unroll(core, x):
    return nn.dynamic_unroll(core, x, core.initial_state(x.shape[1]))[0]


# name → function, a shape, the same with symbols
MODELS = {
    "scan over time": (lambda x: tn.scan(lambda c, x: (c + nn.Linear(4)(x), c), jnp.zeros(4), x)[1], (5, 4), "t, 4"),
    "scan over a batch": (lambda x: tn.scan(lambda c, _: (c + nn.Linear(4)(x), None), x, None, 3)[0], (5, 4), "b, 4"),
    "scan in reverse, with state": (
        lambda x: tn.scan(lambda c, x: (nn.BatchNorm(True, True, 0.9)(x + c, False), c), x[0], x, reverse=True)[1],
        (5, 2, 4),
        "t, b, 4",
    ),
    "map": (lambda x: tn.map(lambda x: nn.Linear(4)(x), x), (5, 4), "t, 4"),
    "vmap": (lambda x: tn.vmap(lambda x: nn.Linear(4)(x))(x), (5, 4), "b, 4"),
    "dropout in a vmap": (
        lambda x: tn.vmap(lambda x: nn.dropout(tn.next_rng_key(), 0.5, nn.Linear(4)(x)))(x),
        (5, 4),
        "b, 4",
    ),
    "fori_loop": (lambda x: tn.fori_loop(0, x.shape[0], lambda i, c: c + nn.Linear(4)(x[i]), x[0]), (5, 4), "t, 4"),
    "an LSTM over time and batch": (lambda x: unroll(nn.LSTM(4), x), (5, 2, 4), "t, b, 4"),
    "a GRU over time": (lambda x: unroll(nn.GRU(4), x), (5, 2, 4), "t, 2, 4"),
    "deep": (lambda x: unroll(nn.DeepRNN([nn.LSTM(4), jnp.tanh, nn.VanillaRNN(3)]), x), (5, 2, 4), "t, b, 4"),
    "a stack": (lambda x: tn.layer_stack(2)(lambda x: tn.remat(nn.Linear(4))(x))(x), (5, 4), "b, 4"),
    "an MLP": (lambda x: nets.MLP([4, 3])(x), (5, 4), "b, 4"),
    "a convolution": (lambda x: nn.Conv1D(4, 3)(x), (2, 8, 4), "b, t, 4"),
    "attention": (
        lambda x: nn.MultiHeadAttention(2, 2, w_init=tn.initializers.VarianceScaling())(x, x, x),
        (2, 5, 4),
        "b, t, 4",
    ),
    **{f"zoo: {name}": (entry.function, (2, 4), "b, 4", entry.ties) for name, entry in ZOO.items()},
}

READER = """
import json, sys
import jax, numpy as np
from jax import export
wrong = []
for name, artifact, inputs, wanted in json.load(open(sys.argv[1])):
    call = export.deserialize(bytearray(bytes.fromhex(artifact))).call
    got = call(np.array(inputs, np.float32))
    if not np.allclose(got, np.array(wanted), atol=1e-5):
        wrong.append(name)
assert "tenure" not in sys.modules
print(json.dumps(wrong))
"""


def exported(name):
    """The serialised program with its params, inputs of other sizes, and what the model gives for them."""
    function, shape, symbols, *ties = MODELS[name]
    model = tn.transform_with_state(function, ties=ties[0] if ties else None)
    params, state = model.init(KEY, jnp.ones(shape))
    spec = jax.ShapeDtypeStruct(export.symbolic_shape(symbols), jnp.float32)
    program = export.export(jax.jit(lambda x: model.apply(params, state, KEY, x)[0]))(spec)
    sizes = [size + 2 if symbol.isalpha() else size for size, symbol in zip(shape, symbols.split(", "), strict=True)]
    inputs = np.random.default_rng(0).normal(size=sizes).astype(np.float32)
    wanted = model.apply(params, state, KEY, jnp.asarray(inputs))[0]
    return name, bytes(program.serialize()).hex(), inputs.tolist(), np.asarray(wanted).tolist()


@pytest.mark.parametrize("one_of", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_symbolic_sizes_through_everything_and_in_another_process(tmp_path, one_of):
    failed, artifacts = {}, []
    for name in [n for n in MODELS if not n.startswith("zoo")] + [f"zoo: {n}" for n in list(ZOO)[::one_of]]:
        try:
            artifacts.append(exported(name))
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {str(error)[:200]}"
    assert not failed, "\n".join(f"{k}: {v}" for k, v in failed.items())
    (tmp_path / "artifacts.json").write_text(json.dumps(artifacts))
    command = [sys.executable, "-c", READER, str(tmp_path / "artifacts.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("symbols", ["t, b, 4", "t, 2, 4"])
def test_a_plan_has_symbolic_shapes(symbols):
    spec = jax.ShapeDtypeStruct(export.symbolic_shape(symbols), jnp.float32)
    plan = tn.transform(lambda x: unroll(nn.LSTM(4), x)).plan(spec)
    assert plan.out.shape == spec.shape and plan.params["lstm/linear"]["w"].shape == (8, 16)


def test_init_with_symbolic_shapes():
    spec = jax.ShapeDtypeStruct(export.symbolic_shape("t, b, 4"), jnp.float32)
    params = tn.transform(lambda x: unroll(nn.LSTM(4), x)).init(KEY, spec)
    assert params["lstm/linear"]["w"].shape == (8, 16)
