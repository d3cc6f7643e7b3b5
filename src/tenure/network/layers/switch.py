"""Layers that choose between inputs."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from tenure.network import ops
from tenure.network.graph import Graph, Node
from tenure.network.layer import Layer, layer
from tenure.network.tensor import Tensor


@layer("switch")
class Switch(Layer):
    """`true_from` where the condition holds, `false_from` elsewhere; each is a layer or a number.

    Condition [B, …], `true_from` and `false_from` [B, …] or numbers; output the axes of all.
    """

    more_options = ("condition",)

    @classmethod
    def link(cls, graph: Graph, node: Node) -> None:
        condition = node.get("condition")
        if callable(condition):
            condition = bool(condition(**node.options, network=None))
        if not isinstance(condition, bool):
            node.refs["condition"] = graph.refer(node, "condition", condition)
            return
        node.refs["condition"] = condition

    def forward(self, *, true_from: Tensor, false_from: Tensor) -> Tensor:
        condition = self.node.refs["condition"]
        if isinstance(condition, bool):
            return self._operand(true_from if condition else false_from, None)
        dtype = next((x.dtype for x in (true_from, false_from) if isinstance(x, Tensor)), None)
        yes, no = self._operand(true_from, dtype), self._operand(false_from, dtype)
        test = self.fill(condition)
        if test.dtype != jnp.bool_:
            raise self.error("condition", self.node.get("condition"), f"true or false is needed, not {test!r}")
        frame = ops.common([yes, no, test])
        data = jnp.where(
            ops.aligned(test, frame.dims), ops.aligned(yes, frame.dims), ops.aligned(no, frame.dims).astype(yes.dtype)
        )
        return frame.with_dims(data, frame.dims, yes.sparse_dim)

    @staticmethod
    def _operand(value: Any, dtype: Any) -> Tensor:
        if isinstance(value, Tensor):
            return value
        array = jnp.asarray(value, dtype)
        return Tensor(array, ())
