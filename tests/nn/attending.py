"""Attention on a small batch."""

from typing import Any

import jax
import numpy as np

import tenure as tn
from tenure import nn
from tenure.initializers import RandomNormal

B, T, D = 2, 6, 8
X = jax.random.normal(jax.random.key(1), (B, T, D))


def attention(**options: Any) -> nn.MultiHeadAttention:
    return nn.MultiHeadAttention(4, 6, w_init=RandomNormal(0.5), b_init=RandomNormal(0.5), **options)


def run(function: Any, *args: Any, params: Any = None) -> Any:
    model = tn.transform(function)
    params = model.init(jax.random.key(0), *args) if params is None else params
    return model.apply(params, None, *args)


OPTIONS = [{}, {"num_kv_heads": 2}, {"num_kv_heads": 1, "rotary": True}, {"value_size": 4}, {"rotary": True}]


def differs_at(before: jax.Array, after: jax.Array) -> list[bool]:
    return np.any(before != after, axis=(0, 2)).tolist()
