"""Layers name their axes, so that rules of names shard a model that knows nothing of them."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import PartitionSpec as P

import tenure as tn
from tenure import nets, nn

MESH = jax.sharding.AbstractMesh((2, 2), ("data", "model"))
RULES = {"vocab": "model", "embed": "data", "mlp": "model", "heads": "model", "kv": "model", "norm": None}


def lm(tokens):
    config = nets.TransformerConfig(width=8, num_heads=2, num_layers=2, stack=False)
    return nets.TransformerLM(12, config)(tokens)


def test_a_transformer_is_sharded_by_names_alone():
    plan = tn.transform(lm).plan(jnp.zeros((1, 3), int))
    specs = {
        f"{module}/{name}".partition("/")[2]: sharding.spec
        for module, bundle in plan.ledger.shardings(MESH, RULES).items()
        for name, sharding in bundle.items()
    }
    found = {path.rpartition("layer_0/")[2]: spec for path, spec in specs.items() if "layer_1" not in path}
    assert found["attention/query/w"] == found["attention/key/w"] == P("data", "model")
    assert found["attention/query/b"] == P("model")
    assert found["attention/linear/w"] == P("model", "data")
    assert found["mlp/~/linear_0/w"] == P("data", "model") and found["mlp/~/linear_1/w"] == P("model", "data")
    assert all(spec == P(None) for path, spec in specs.items() if "norm" in path)
    assert P("model", "data") in specs.values()


NAMES = {
    "embed": (lambda x: nn.Embed(5, 4)(x.astype(int)), (2,), {"embed/embeddings": ("vocab", "embed")}),
    "linear": (lambda x: nn.Linear(3)(x), (2, 4), {"linear/w": None, "linear/b": None}),
    "mlp": (lambda x: nn.MLP([3])(x), (2, 4), {"mlp/~/linear_0/w": ("embed", "mlp"), "mlp/~/linear_0/b": ("mlp",)}),
    "layer norm": (lambda x: nn.LayerNorm(-1, True, True)(x), (2, 4), {"layer_norm/scale": ("norm",)}),
    "group norm": (lambda x: nn.GroupNorm(2)(x), (2, 4), {"group_norm/offset": ("norm",)}),
    "conv": (
        lambda x: nn.Conv1D(3, 3)(x),
        (2, 5, 4),
        {"conv1_d/w": (None, "in_channels", "out_channels"), "conv1_d/b": ("out_channels",)},
    ),
    "transposed": (
        lambda x: nn.Conv1DTranspose(3, 3)(x),
        (2, 5, 4),
        {"conv1_d_transpose/w": (None, "out_channels", "in_channels")},
    ),
    "gru": (
        lambda x: nn.GRU(3)(x, jnp.zeros((2, 3))),
        (2, 4),
        {"gru/w_i": ("inputs", "gates"), "gru/w_h": ("hidden", "gates"), "gru/b": ("gates",)},
    ),
    "lstm": (
        lambda x: nn.LSTM(3)(x, nn.LSTMState(jnp.zeros((2, 3)), jnp.zeros((2, 3)))),
        (2, 4),
        {"lstm/linear/w": ("inputs", "gates")},
    ),
}


@pytest.mark.parametrize("layer", NAMES)
def test_names(layer):
    function, shape, expected = NAMES[layer]
    rows = {row.path: row.axes for row in tn.transform(function).plan(jnp.ones(shape)).ledger.rows}
    assert {path: rows[path] for path in expected} == expected


def test_suggested_names_contradict_nobody():
    def tied(x):
        init = nn.initializers.VarianceScaling()
        return nn.MultiHeadAttention(2, 2, w_init=init, with_bias=False, name="attention")(x, x, x)

    plan = tn.transform(tied, ties={"attention/key/w": "attention/query/w"}).plan(jnp.ones((1, 3, 4)))
    rows = {row.path: row for row in plan.ledger.rows}
    assert rows["attention/key/w"].axes == ("embed", "heads") and rows["attention/value/w"].axes == ("embed", "kv")


def test_the_program_s_own_names_still_contradict():
    def model(x):
        w = tn.get_parameter("w", (4, 4), init=jnp.ones, axes=("a", "b"))
        with tn.name_scope("inner"):
            return x @ w @ tn.get_parameter("w", (4, 4), init=jnp.ones, axes=("b", "a"))

    with pytest.raises(tn.TenureError, match="names its axes"):
        tn.transform(model, ties={"inner/w": "~/w"}).plan(jnp.ones((2, 4)))
