"""What the layers do that no other library can say: sharing, planning without a batch, errors."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tenure as tn
from tenure import nn


def test_a_classifier_borrows_the_embedding() -> None:
    def model(tokens: jax.Array) -> jax.Array:
        embed = nn.Embed(11, 4, name="embed")
        head = nn.Linear(11, with_bias=False, share={"w": embed.ref("embeddings").T}, name="head")
        return head(embed(tokens))

    tokens = jnp.arange(6).reshape(2, 3)
    model_ = tn.transform(model)
    params = model_.init(jax.random.key(0), tokens)
    assert {m: list(e) for m, e in params.items()} == {"embed": ["embeddings"]}
    table = params["embed"]["embeddings"]
    np.testing.assert_array_equal(model_.apply(params, None, tokens), table[tokens] @ table.T)


@pytest.mark.parametrize("style", nn.EmbedLookupStyle)
def test_lookup_styles_agree(style: nn.EmbedLookupStyle) -> None:
    model = tn.transform(lambda ids: nn.Embed(11, 4)(ids, lookup_style=style))
    ids = jnp.array([[0, 10], [3, 3]])
    params = model.init(jax.random.key(0), ids)
    np.testing.assert_array_equal(model.apply(params, None, ids), params["embed"]["embeddings"][ids])


def test_batch_norm_in_test_mode_needs_no_training_first() -> None:
    """Planning in test mode knows the running averages' shapes, and a later training step finds all of its states."""
    model = tn.transform_with_state(lambda x, training: nn.BatchNorm(True, True, 0.9)(x, training))
    x = jax.random.normal(jax.random.key(0), (8, 3)) * 4 + 7
    params, state = model.init(None, x, False)
    _, trained = model.apply(params, state, None, x, True)
    out, after = model.apply(params, trained, None, x, False)
    np.testing.assert_allclose(out.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(out.std(0), 1, atol=1e-4)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), trained, after))


def test_batch_norm_over_mapped_replicas() -> None:
    model = tn.transform_with_state(lambda x: nn.BatchNorm(True, True, 0.9, cross_replica_axis="i")(x, True))
    whole = tn.transform_with_state(lambda x: nn.BatchNorm(True, True, 0.9)(x, True))
    x = jax.random.normal(jax.random.key(0), (2, 4, 3))
    params, state = whole.init(None, x.reshape(8, 3))
    out, _ = jax.vmap(lambda x: model.apply(params, state, None, x), axis_name="i")(x)
    np.testing.assert_allclose(out.reshape(8, 3), whole.apply(params, state, None, x.reshape(8, 3))[0], atol=1e-5)


@pytest.mark.parametrize("name", ["static_unroll", "dynamic_unroll"])
def test_unrolling_outside_of_a_transform(name: str) -> None:
    def core(x: jax.Array, total: jax.Array) -> tuple[jax.Array, jax.Array]:
        return total * x, total + x

    outs, last = getattr(nn, name)(core, jnp.arange(1.0, 5.0), jnp.float32(0))
    np.testing.assert_array_equal(outs, [0, 2, 9, 24])
    assert last == 10


def test_unrolled_parameters_are_owned_once() -> None:
    def model(xs: jax.Array) -> jax.Array:
        core = nn.LSTM(4)
        return nn.dynamic_unroll(core, xs, core.initial_state(2))[0]

    params = tn.transform(model).plan(jnp.ones((50, 2, 3))).params
    assert jax.tree.map(lambda a: a.shape, params) == {"lstm/linear": {"w": (7, 16), "b": (16,)}}


def test_layers_ask_for_the_dtype_of_their_input() -> None:
    def model(x: jax.Array) -> jax.Array:
        return nn.LayerNorm(-1, True, True)(nn.Conv1D(3, 2)(nn.Linear(5)(x)))

    plan = tn.transform(model).plan(jax.ShapeDtypeStruct((2, 4, 3), jnp.bfloat16))
    assert plan.out.dtype == jnp.bfloat16
    assert {a.dtype for a in jax.tree.leaves(plan.params)} == {jnp.dtype(jnp.bfloat16)}


def test_dropout_keeps_the_mean_and_is_off_at_zero() -> None:
    x = jnp.ones(10_000)
    out = nn.dropout(jax.random.key(0), 0.4, x)
    assert abs(float(out.mean()) - 1) < 0.05
    assert nn.dropout(jax.random.key(0), 0.0, x) is x


def test_mlp_dropout_needs_both() -> None:
    model = tn.transform(lambda x, key: nn.MLP([50, 50])(x, 0.5, key))
    x = jnp.ones((1, 4))
    params = model.init(jax.random.key(0), x, jax.random.key(1))
    one, two = (model.apply(params, None, x, jax.random.key(i)) for i in (1, 2))
    assert not np.allclose(one, two)
