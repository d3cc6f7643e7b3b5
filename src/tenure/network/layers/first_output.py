"""What `prev:` of a layer is in the first step of a loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp

from tenure.network import ops
from tenure.network.dims import Dim
from tenure.network.errors import option_error
from tenure.network.graph import Key, Node
from tenure.network.output import Output
from tenure.network.run import Run
from tenure.network.tensor import Tensor

_WORDS = {"zeros": 0, "ones": 1}


def first_output(run: Run, node: Node, like: Tensor, inputs: Mapping[str, Output] = MappingProxyType({})) -> Tensor:
    """A layer's output before the first step: `initial_output`, what its class says, or zeros.

    Args:
      run: the loop's pass, with all that there is before the first step.
      node: the layer.
      like: a tensor of the form of the output, all zeros.
      inputs: the form of what layers inside of the loop give, for "apply(0)".

    Raises:
      OptionError: labels without an initial output, or one that is not known or does not fit.
    """
    while node.class_name == "get_sub_layer" and node.get("initial_output") is None and node.sources:
        node = run.graph.nodes[node.sources[0]]  # a part starts as the whole does
    value = node.refs.get("initial_output", node.get("initial_output"))
    if value is None:
        own = node.cls.first_output(run, node)  # type: ignore[attr-defined]
        if own is not None:
            return _like(node, own, like)
        if like.sparse:
            raise option_error(
                node.key,
                node.class_name,
                "initial_output",
                None,
                "labels have none of themselves",
                ["'initial_output': 0"],
            )
        return like
    if isinstance(value, Key):
        return _like(node, run.outputs[value].tensor, like)
    if value == "apply(0)":
        return _like(node, _of_zeros(run, node, inputs), like)
    if value == "var":
        size = like.shape[-1] if like.feature_axis is None else like.shape[like.feature_axis]
        dims = like.dims[like.feature_axis : like.feature_axis + 1] if like.feature_axis is not None else like.dims[-1:]
        variable = run.build(node).param(f"init_{node.name}_var", (size,), 0.0)
        return _like(node, Tensor(variable, dims), like)
    number: Any = _WORDS.get(value, value) if isinstance(value, str) else value
    if (isinstance(number, (int, float)) and not isinstance(number, bool)) or (
        isinstance(number, bool) and like.dtype == bool
    ):
        return like.like(jnp.full(like.shape, number, like.dtype))
    if hasattr(number, "shape") and number.shape == ():
        return like.like(jnp.full(like.shape, number, like.dtype))
    raise option_error(
        node.key,
        node.class_name,
        "initial_output",
        value,
        "a number, 'zeros', 'ones', 'var', 'apply(0)' or a layer outside of the loop is needed",
    )


def _like(node: Node, x: Tensor, like: Tensor) -> Tensor:
    features = x.feature_axis, like.feature_axis
    if None not in features and x.shape[features[0]] == like.shape[features[1]]:  # type: ignore[index]
        x = x.replace_dim(x.feature_axis, like.dims[like.feature_axis])  # type: ignore[arg-type, index]
    data = ops.aligned(x, like.dims)
    if any(n not in (1, m) for n, m in zip(data.shape, like.shape, strict=True)):
        raise option_error(
            node.key,
            node.class_name,
            "initial_output",
            node.get("initial_output"),
            f"{x!r} has not the form of {like!r}",
        )
    return like.like(jnp.broadcast_to(data, like.shape).astype(like.dtype))


def _of_zeros(run: Run, node: Node, inputs: Mapping[str, Output]) -> Tensor:
    """What the layer gives for zeros."""
    inside = run._view({}, {})
    for key in node.deps:
        out = run.outputs.get(key) or inputs.get(key)
        if out is not None:
            steps = run.loop_time, None if key.startswith("base:") else run.loop_dim
            inside.outputs[key] = Output(_one_step(out.tensor, steps))
    inside.all_steps = False
    layer = run.build(node)
    layer.run = inside
    try:
        return inside.call(layer).tensor
    finally:
        layer.run = run


def _one_step(x: Tensor, steps: Iterable[Dim | None]) -> Tensor:
    """Zeros of the form of one step of a tensor, without the dims of steps and of a beam."""
    found, shape = x, list(x.shape)
    for dim in (*steps, x.beam_dim):
        if dim is not None and found.has(dim):
            axis = found.axis(dim)
            found = found.without(axis)
            del shape[axis]
    return found.like(jnp.zeros(tuple(shape), x.dtype))
