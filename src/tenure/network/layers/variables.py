"""Variables: parameters as outputs, and those that a dictionary's layers assign to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.network import ops, sizes
from tenure.network.dims import SPATIAL, batch_dim
from tenure.network.graph import Node
from tenure.network.layer import Layer, layer
from tenure.network.layers.constant import template_dims
from tenure.network.run import Run
from tenure.network.tensor import Tensor


@layer("variable")
class Variable(Layer):
    """A parameter as an output; a state if a `variable_assign` changes it.

    Its name is `param_name`, or else the name of the layer.

    No input, output [*shape].
    """

    stepwise = True

    def forward(
        self,
        sources: Sequence[Tensor] = (),
        *,
        shape: Any,
        dtype: str = "float32",
        add_batch_axis: bool = False,
        add_time_axis: bool = False,
        trainable: bool = True,
        saveable: bool = True,
        non_critical_for_restore: bool = False,
        init: Any = None,
        init_by_layer: Tensor | None = None,
        param_name: str | None = None,
    ) -> Tensor:
        dims = template_dims(self, None, shape, False)
        name = param_name or self.node.name
        start = (lambda shape, dtype: init_by_layer.data) if init_by_layer is not None else 0 if init is None else init
        if self._is_assigned():
            if trainable:
                raise self.error("trainable", trainable, "a layer assigns to it", ["'trainable': False"])
            value = self.state(name, dims, start, jnp.dtype(dtype))
        else:
            value = self.param(name, dims, start, jnp.dtype(dtype), trainable)
        extra = [self.new_dim("dummy-time", 1, SPATIAL)] if add_time_axis else []
        if add_batch_axis:
            extra.insert(0, batch_dim())
        known = sizes.current()
        data = jnp.broadcast_to(value, (*(known.padded(d) for d in extra), *value.shape))
        return Tensor(data, (*extra, *dims))

    def _is_assigned(self) -> bool:
        nodes = self.run.graph.nodes.values()
        return any(n.cls is VariableAssign and variable_of(self.run, n) is self.node for n in nodes)

    def assign(self, value: jax.Array) -> None:
        """What it holds from now on, and when the pass is done."""
        self.set_state(self.node.get("param_name") or self.node.name, value)

    def held(self, like: Tensor) -> jax.Array:
        """What it holds now; `like` is what it gave."""
        axes = (
            [i for i, d in enumerate(like.dims) if not d.is_batch]
            if self.node.get("add_batch_axis")
            else range(like.ndim)
        )
        dims = [like.dims[i] for i in axes][1 if self.node.get("add_time_axis") else 0 :]
        return self.state(self.node.get("param_name") or self.node.name, dims, dtype=like.dtype)


def variable_of(run: Run, node: Node) -> Node | None:
    """The variable that a layer is, reads or assigns to."""
    while node.cls is not Variable:
        if node.cls not in (VariableAssign, VariableRead):
            return None
        node = run.graph.nodes[node.refs["var"]]
    return node


class _OfVariable(Layer):
    """A layer about a variable."""

    stepwise = True

    def variable(self) -> Variable:
        """The variable's layer.

        Raises:
          OptionError: `var` names no variable.
        """
        found = variable_of(self.run, self.node)
        owner = self.run.layers.get(found.key) if found is not None else None
        if not isinstance(owner, Variable):
            raise self.error("var", self.node.get("var"), "a layer of the class 'variable' is needed")
        return owner

    def value(self) -> Tensor:
        """What the variable gave when it was computed."""
        return self.given(self.variable().node.key).tensor


@layer("variable_assign")
class VariableAssign(_OfVariable):
    """Assigns a value to a variable ("assign"), or adds it ("add"), in each pass; the output is 0.

    The new value is seen by a `variable_read` whose `control_dependencies` name this layer, and by the next pass.

    `var` a variable [*shape], `value` [*shape], output a scalar.
    """

    def forward(
        self, *, var: Tensor, value: Tensor, control_dependencies: Tensor | Any = None, op: str = "assign"
    ) -> Tensor:
        if op not in ("assign", "add"):
            raise self.error("op", op, "'assign' or 'add' is needed")
        variable, given = self.variable(), self.value()
        held = variable.held(given)
        same_shape = value.shape == held.shape  # whose dims are often others than those of the array that is computed
        new = jax.lax.stop_gradient(value.data if same_shape else ops.aligned(value, given.dims))
        new = jnp.broadcast_to(new.astype(held.dtype), held.shape)
        variable.assign(held + new if op == "add" else new)
        return Tensor(jnp.zeros((), jnp.int32), ())


@layer("variable_read")
class VariableRead(_OfVariable):
    """What a variable holds: after the layers in `control_dependencies`, or at the start of the pass.

    Output [*shape].
    """

    def forward(self, *, var: Tensor, control_dependencies: Tensor | Any = None) -> Tensor:
        given = self.value()
        if not self._after_assignment():
            return given
        return given.like(jnp.broadcast_to(self.variable().held(given), given.shape))

    def _after_assignment(self) -> bool:
        nodes = self.run.graph.nodes
        before = [nodes[k] for k in [self.node.refs["var"], *(self.node.refs.get("control_dependencies") or ())]]
        return any(n.cls is VariableAssign for n in before)
