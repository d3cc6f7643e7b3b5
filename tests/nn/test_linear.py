"""Linear layers: borrowed matrices, and the dtype of the input."""

import jax
import jax.numpy as jnp
import numpy as np

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


def test_layers_ask_for_the_dtype_of_their_input() -> None:
    def model(x: jax.Array) -> jax.Array:
        return nn.LayerNorm(-1, True, True)(nn.Conv1D(3, 2)(nn.Linear(5)(x)))

    plan = tn.transform(model).plan(jax.ShapeDtypeStruct((2, 4, 3), jnp.bfloat16))
    assert plan.out.dtype == jnp.bfloat16
    assert {a.dtype for a in jax.tree.leaves(plan.params)} == {jnp.dtype(jnp.bfloat16)}
