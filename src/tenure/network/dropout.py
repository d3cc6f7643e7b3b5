"""Dropout on the inputs of layers."""

from __future__ import annotations

from typing import Any

from tenure.core.run.rng import next_rng_key
from tenure.functional import dropped
from tenure.network import axes as axes_
from tenure.network.tensor import Tensor
from tenure.network.typing import Layer


def with_dropout(layer: Layer, x: Tensor) -> Tensor:
    """The layer's input with the dropout that its options ask for.

    Layers with the same inputs, rate and mask shape use one mask, so both directions of a bidirectional layer see the
    same input.

    Args:
      layer: whose options are read.
      x: its input.

    Raises:
      OptionError: the rate is none, or the input has labels.
    """
    node = layer.node
    rate = node.get("dropout", 0) or 0
    if not isinstance(rate, (int, float)) or isinstance(rate, bool) or not 0 <= rate < 1:
        raise layer.error("dropout", rate, "a rate, at least 0 and below 1, is needed")
    if rate and x.sparse:
        raise layer.error(
            "dropout", rate, f"its input {x!r} has labels, of which none can be scaled", ["dropout in the next layer"]
        )
    if not rate or not (layer.run.flags.train or node.get("dropout_on_forward")):
        return x
    shape = mask_shape(layer, x)
    key = (tuple(node.sources), str(node.get("in_dim")), float(rate), shape)
    cache = layer.run.dropped
    if key not in cache:
        cache[key] = x.like(dropped(next_rng_key(), rate, x.data, shape))
    return cache[key]


def mask_shape(layer: Layer, x: Tensor) -> tuple[int, ...]:
    """The shape of the mask: of size 1 over batch and dynamic axes, unless the options say otherwise.

    Args:
      layer: whose options are read.
      x: the tensor that the mask is for.

    Raises:
      OptionError: the options say two things, or a shape of another rank.
    """
    node = layer.node
    axis, noise = node.get("dropout_axis"), node.get("dropout_noise_shape")
    if axis is not None:
        if noise is not None:
            raise layer.error("dropout_noise_shape", noise, "'dropout_axis' says it already")
        kept = axes_.axes(x, axis)
        return tuple(n if i in kept else 1 for i, n in enumerate(x.shape))
    if isinstance(noise, (list, tuple)):
        if len(noise) != x.ndim:
            raise layer.error("dropout_noise_shape", noise, f"{x!r} has {x.ndim} axes")
        return tuple(n if given is None else int(given) for n, given in zip(x.shape, noise, strict=True))
    return broadcast_shape(x, noise)


def broadcast_shape(x: Tensor, options: Any) -> tuple[int, ...]:
    """The shape that {axes: 1 or None} describes: 1 over batch and dynamic axes by default, `None` for the full size."""
    options = dict(options or {})
    rest = options.pop("*", "dynamic")
    shape = []
    for i, dim in enumerate(x.dims):
        broadcast = (dim.is_batch or dim.is_dynamic) if rest == "dynamic" else rest is not None
        shape.append(1 if broadcast else x.shape[i])
    for description, value in options.items():
        for i in axes_.axes(x, description, allow_int=True):
            shape[i] = x.shape[i] if value is None or value == -1 else int(value)
    return tuple(shape)
