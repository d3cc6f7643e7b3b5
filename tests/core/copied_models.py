"""Copies through pickle, and models of functions that pickle finds."""

import copy
import functools
import pickle

import jax
import jax.numpy as jnp
import pytest

import tenure as tn
from tenure import haiku as hk
from tenure import nn

KEY = jax.random.key(0)
X = jnp.ones((2, 4))


def copied(value):
    return pickle.loads(pickle.dumps(value))


def same(a, b):
    return jax.tree.structure(a) == jax.tree.structure(b) and all(
        (x == y).all() for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


def tied(x):
    embed = nn.Linear(4, name="embed")
    norm = nn.BatchNorm(True, True, 0.9, name="norm")
    return nn.Linear(4, name="head", share={"w": embed.ref("w").T})(norm(embed(x), is_training=True))


def plain(x):
    return nn.Linear(3)(x)


def scaled(factor, x):
    return nn.Linear(3)(x) * factor


MODELS = {
    "transform": lambda: tn.transform(plain, stages={"**/w": [tn.stages.Noise(0.1)]}),
    "tied, with state": lambda: tn.transform_with_state(tied, ties={"head/b": "embed/b"}),
    "evaluation": lambda: tn.evaluation(tn.transform_with_state(tied)),
    "a partial function": lambda: tn.transform(functools.partial(scaled, 2.0)),
    "haiku": lambda: hk.transform(plain),
    "haiku, with state and a tie": lambda: hk.transform_with_state(tied, ties={"head/b": "embed/b"}),
    "haiku, without_apply_rng": lambda: hk.without_apply_rng(hk.transform(plain)),
}
WAYS = [pytest.param(name, through) for name in MODELS for through in (copied, copy.deepcopy)]
