"""Models that tests of checkpoints share."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tenure as tn
from tenure import nn

TOKENS = jnp.zeros((2, 3), int)
KEY = jax.random.key(0)


def translator(tokens):
    """A source embedding, a target embedding that is the same, and an output projection that is its transpose."""
    source = nn.Embed(11, 4, name="source")
    target = nn.Embed(11, 4, name="target", share={"embeddings": "source/embeddings"})
    output = nn.Linear(11, name="output", share={"w": target.ref("embeddings").T})
    return output(nn.Linear(4, name="mix")(source(tokens) + target(tokens)))


def of_size(vocabulary, source="source"):
    """The translator with a vocabulary of that size."""

    def function(tokens):
        first = nn.Embed(vocabulary, 4, name=source)
        target = nn.Embed(vocabulary, 4, name="target", share={"embeddings": f"{source}/embeddings"})
        output = nn.Linear(vocabulary, name="output", share={"w": target.ref("embeddings").T})
        return output(nn.Linear(4, name="mix")(first(tokens) + target(tokens)))

    return tn.transform(function)


def counted(x):
    """A linear layer and a state that counts."""
    n = tn.get_state("n", (), jnp.int32, init=jnp.zeros)
    tn.set_state("n", n + 1)
    return nn.Linear(3, name="linear")(x)


class Model(NamedTuple):
    """A model with what training has of it."""

    plan: tn.Plan
    params: dict
    optimizer: optax.GradientTransformation
    opt_state: object


def trained():
    """The translator, with an optimizer state that has masked nodes and Python numbers."""
    model = tn.transform(translator)
    plan, params = model.plan(TOKENS), model.init(KEY, TOKENS)
    optimizer = optax.chain(
        optax.masked(optax.add_decayed_weights(0.1), plan.ledger.mask("**/w")),
        optax.inject_hyperparams(optax.adam)(learning_rate=1e-3),
        optax.masked(optax.trace(0.9), plan.ledger.mask("mix/*")),
    )
    state = optimizer.init(params)
    grads = jax.tree.map(lambda p: jnp.cos(p) + 1, params)
    updates, state = optimizer.update(grads, state, params)
    return Model(plan, optax.apply_updates(params, updates), optimizer, state)


def equal(a, b):
    """Whether two trees have the same structure and the same bits."""
    (x, one), (y, other) = jax.tree.flatten(a), jax.tree.flatten(b)
    return one == other and all(same_bits(i, j) for i, j in zip(x, y, strict=True))


def same_bits(a, b):
    """Whether two leaves are of one type, shape, dtype and have the same bits."""
    if type(a) is not type(b):
        return False
    if isinstance(a, jax.Array) and jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key):
        return a.dtype == b.dtype and same_bits(jax.random.key_data(a), jax.random.key_data(b))
    x, y = np.asarray(a), np.asarray(b)
    return (x.shape, x.dtype) == (y.shape, y.dtype) and x.tobytes() == y.tobytes()
