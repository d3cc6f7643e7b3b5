"""Noise and dropout on parameters, as the options `param_variational_noise` and `param_dropout` ask for."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run.rng import next_rng_key
from tenure.functional import dropped
from tenure.network.typing import Layer
from tenure.stages import Dropout, Noise

_OPTIONS = frozenset(("param_variational_noise", "param_dropout"))


def stages(layer: Layer) -> tuple[Any, ...]:
    """The noise and the dropout of the layer's parameters as stages of their owner: one sample for all that use them."""
    node = layer.node
    if _OPTIONS.isdisjoint(node.options):
        return ()
    std, rate = node.get("param_variational_noise"), node.get("param_dropout")
    least = node.get("param_dropout_min_ndim") or 0
    found: list[Any] = [Noise(float(std))] if std else []
    return (*found, Dropout(float(rate), min_ndim=int(least))) if rate else tuple(found)


def with_noise(layer: Layer, name: str, value: jax.Array) -> jax.Array:
    """The parameter as RETURNN has it: each layer that reads one draws a sample of its own."""
    node = layer.node
    std, rate = node.get("param_variational_noise"), node.get("param_dropout")
    if not jnp.issubdtype(value.dtype, jnp.floating):
        return value
    if std:
        value = value + std * jax.random.normal(next_rng_key(), value.shape, value.dtype)
    if rate and value.ndim >= (node.get("param_dropout_min_ndim") or 0):
        value = dropped(next_rng_key(), rate, value)
    return value
