"""Over what a loop goes, and for how long."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.export import is_symbolic_dim

from tenure.core.errors import TenureError, brief
from tenure.network import expressions, sizes
from tenure.network.dims import Dim
from tenure.network.errors import option_error
from tenure.network.graph import Graph, Key, Node
from tenure.network.layer import Layer
from tenure.network.loop import LoopGraph
from tenure.network.output import Output
from tenure.network.tensor import Tensor
from tenure.network.tf import tf

_MAX = "max_len_from"


def link(graph: Graph, node: Node, body: LoopGraph) -> None:
    """Finds the layers outside of the loop on which its length depends.

    Args:
      graph: that the loop is in.
      node: the loop.
      body: its layers.

    Raises:
      OptionError: `max_seq_len` is no expression.
      LayerNotFoundError: it, or the target, names no layer.
    """
    if node.get("target") and not graph.flags.search:
        names = node.get("target")
        for name in names if isinstance(names, (list, tuple)) else [names]:
            node.deps.append(graph.resolve(node.level, f"data:{name}", node.key, "target"))
    limit = node.get("max_seq_len")
    if not isinstance(limit, str):
        return
    found = {}
    try:
        tree = expressions.parse(limit).tree
    except TenureError as e:
        raise option_error(node.key, node.class_name, "max_seq_len", limit, e.rule) from e
    for call in ast.walk(tree):
        names_layer = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == _MAX
        if names_layer and call.args and isinstance(call.args[0], ast.Constant):  # type: ignore[attr-defined]
            name = call.args[0].value  # type: ignore[attr-defined]
            found[name] = graph.refer(node, "max_seq_len", _outside(name))
    node.refs["max_len_from"] = found


def _outside(name: Any) -> Any:
    return name.removeprefix("base:") if isinstance(name, str) else name


def sequences(loop: Layer, graph: LoopGraph) -> dict[str, Tensor]:
    """The sequences of which the body sees frames."""
    found = {}
    for key, outside in graph.frames.items():
        if outside == "source":
            found[key] = loop.source()
        elif outside in loop.run.outputs:  # else a target that is not there
            found[key] = loop.run.outputs[outside].tensor
    return found


def time(loop: Layer, graph: LoopGraph, frames: Mapping[str, Tensor]) -> Dim:
    """The dim that the loop goes over; its padded size is known from here on.

    Raises:
      OptionError: nothing says how long the loop is.
    """
    node, axis = loop.node, loop.node.get("axis")
    source = frames.get("data:source")
    if source is None and node.sources:
        source = loop.source()
    if source is not None:
        return source.dims[loop.axis(source, "T" if axis is None else axis)]
    dim = axis if isinstance(axis, Dim) else None
    unstacked = _unstacked(loop, graph, dim)
    if unstacked is not None:
        return unstacked
    size = node.refs.get("size_target")
    if isinstance(size, str) and size in loop.run.outputs and not loop.run.graph.flags.search:
        found = loop.run.outputs[size].tensor.time_dim
        if found is not None:
            return found
    known = sizes.current()
    if dim is not None and known.knows(dim) and not graph.open_ended:
        return dim
    if graph.follows is not None:
        labels = frames.get(graph.follows)
        if labels is None or labels.time_dim is None:
            where, other = (" in the search", "leave 'cheating' out") if graph.flags.search else ("", "search=True")
            ways = [f"feed '{graph.follows}'", other]
            raise loop.error("target", node.get("target"), f"a layer reads labels{where}, and there are none", ways)
        return labels.time_dim
    if not graph.open_ended:
        for key in node.refs.get("target") or ():
            found = None if key not in loop.run.outputs else loop.run.outputs[key].tensor.time_dim
            if found is not None:
                return found
        others = [x.time_dim for x in frames.values() if x.time_dim is not None]
        if others:
            return others[0]
        if "max_seq_len" not in node.options:
            raise loop.error(
                "from",
                node.get("from"),
                "nothing says how many steps there are",
                ["'target': the labels' data", "a layer 'end' in the unit, and 'max_seq_len': 100"],
            )
    dim = dim or loop.new_dim("time", None)
    known.declare(dim, _capacity(loop))
    return dim


def _unstacked(loop: Layer, graph: LoopGraph, axis: Dim | None) -> Dim | None:
    """The dim that a `rec_unstack` inside takes apart."""
    for node in graph.nodes.values():
        if node.class_name != "rec_unstack" or not node.sources:
            continue
        source = loop.run.outputs.get(node.sources[0].removeprefix("base:"))
        if source is None:
            continue
        given = node.get("axis")
        if given is None and (axis is None or not source.tensor.has(axis)):
            continue
        dim = source.tensor.dims[loop.axis(source.tensor, axis if given is None else given)]
        if axis is not None and axis != dim:
            axis.declare_same_as(dim)
        return dim
    return None


def fitted(loop: Layer, graph: LoopGraph, key: str, x: Tensor, dim: Dim) -> Tensor:
    """A sequence whose frames the body sees, over the dim that the loop goes over; whole, if it has other lengths.

    The labels of a choice are one for each step, even if they are padded to another size.

    Raises:
      OptionError: a choice has more or fewer labels than there are steps.
    """
    if x.has(dim) or x.time_axis is None:
        return x
    at, n = x.time_axis, sizes.current().padded(dim)
    if x.shape[at] == n:
        return x.replace_dim(at, dim)
    chooser = _labelled(graph, key)
    if chooser is not None:
        _check_lengths(loop, chooser, x, dim)
    elif not graph.open_ended:
        return x  # it is another sequence, which is there as a whole
    y = x.move_axis(at, 0)
    data = jnp.concatenate([y.data, jnp.zeros((max(0, n - y.shape[0]), *y.shape[1:]), y.dtype)])[:n]
    return y.replace_dim(0, dim).like(data)


def _labelled(graph: LoopGraph, key: str) -> Node | None:
    """The choice inside that takes its labels from a sequence: in a search none does, unless it cheats."""
    choices = (node for node in graph.nodes.values() if node.class_name == "choice")
    reading = (node for node in choices if not graph.flags.search or node.get("cheating"))
    return next((node for node in reading if f"data:{node.get('target')}" == key), None)


def _check_lengths(loop: Layer, chooser: Node, x: Tensor, dim: Dim) -> None:
    known = sizes.current()
    found = [known.lengths(d) for d in (x.time_dim, dim) if d is not None]
    labels, steps = (None if n is None or isinstance(n.data, jax.core.Tracer) else n.data for n in found)
    if labels is not None and steps is not None and not jnp.array_equal(labels, steps):
        rule = f"'{chooser.key}' has {brief(labels.tolist())} labels for {brief(steps.tolist())} steps"
        raise loop.error("target", loop.node.get("target"), rule, ["one label for each step, such as an alignment"])


def limit(loop: Layer, graph: LoopGraph, dim: Dim) -> Any:
    """The most steps that the loop makes: a number, or a traced one."""
    known = sizes.current()
    if not graph.open_ended:
        lengths = known.lengths(dim)
        return known.padded(dim) if lengths is None else jnp.max(lengths.data, initial=0)
    via = loop.node.refs.get("max_seq_len_via")
    if via is not None:
        return loop.run.outputs[via].tensor.data.reshape(())

    def longest(out: Output, x: Dim | None) -> Any:
        lengths = None if x is None else known.lengths(x)
        if lengths is None:
            return 0 if x is None else known.padded(x)
        return jnp.max(lengths.data, initial=0)

    return jnp.minimum(_evaluated(loop, longest), known.padded(dim))


def _capacity(loop: Layer) -> int:
    """How many steps there is room for: the limit for padded sizes."""
    known = sizes.current()
    via = loop.node.refs.get("max_seq_len_via")
    if via is not None:
        return known.bound(loop.run.outputs[via].tensor)
    found = _evaluated(loop, lambda _, x: 0 if x is None else known.padded(x))
    try:
        if is_symbolic_dim(found):  # room for one step more where there may be none
            return sizes.at_least(1, found)
        return max(0, int(found))
    except jax.errors.ConcretizationTypeError:
        rule = (
            "the number of steps is not known where the program is made, as a symbol cannot be multiplied by a fraction"
        )
        ways = ["\"max_len_from('base:encoder') * 3 // 2\""]
        raise loop.error("max_seq_len", loop.node.get("max_seq_len"), rule, ways) from None
    except (TypeError, ValueError, OverflowError):
        raise loop.error("max_seq_len", loop.node.get("max_seq_len"), f"{found!r} is no number of steps") from None


def _evaluated(loop: Layer, length: Callable[[Output, Dim | None], Any]) -> Any:
    """`max_seq_len`, with `length` for what `max_len_from` means."""
    limit = loop.node.get("max_seq_len")
    if isinstance(limit, (int, float)) and not isinstance(limit, bool):
        if not 0 <= limit < 10**6:
            raise loop.error("max_seq_len", limit, "a number of steps, below a million, is needed")
        return int(limit)
    if not isinstance(limit, str):
        raise loop.error(
            "max_seq_len",
            limit,
            "a loop that ends by its layer 'end' needs the most steps that it may make",
            ["'max_seq_len': 100", "'max_seq_len': \"max_len_from('base:encoder') * 2\""],
        )
    refs: Mapping[str, Key] = loop.node.refs.get("max_len_from") or {}

    def max_len_from(name: Any) -> Any:
        if name not in refs:
            raise loop.error("max_seq_len", limit, "'max_len_from' takes the name of a layer, written there")
        out = loop.run.outputs[refs[name]]
        return length(out, out.tensor.time_dim)

    try:
        return expressions.parse(limit)({_MAX: max_len_from, "tf": tf})
    except TenureError as e:
        raise loop.error("max_seq_len", limit, e.rule) from e
