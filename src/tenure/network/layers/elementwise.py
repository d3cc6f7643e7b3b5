"""Layers that compute entry by entry."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run.naming import transparent
from tenure.network import activations, bounds, ops, out_type, proxies, sizes
from tenure.network.array_methods import taught
from tenure.network.data_proxy import DataProxy
from tenure.network.dims import batch_dim
from tenure.network.expressions import ROOT, layers_in, parse
from tenure.network.graph import Graph, Node
from tenure.network.layer import Layer, layer
from tenure.network.output import Output
from tenure.network.tensor import AUTO, Tensor
from tenure.network.tf import tf
from tenure.network.tf.elementwise import OWN
from tenure.network.tf.imports import with_tensorflow
from tenure.network.tf.words import Words
from tenure.network.typing import Run

Fn = Callable[..., jax.Array]


@layer("activation")
class Activation(Layer):
    """An activation function of the inputs.

    Input [B, …, F], output the same axes.
    """

    framewise = True

    def forward(self, source: Tensor, *, activation: Any, opts: Any = None) -> Output:
        if activation is None:
            raise self.error("activation", activation, "a function is needed", ["'activation': 'identity'"])
        if opts:
            fn = activations.find(self, activation)
            return Output(source.like(fn(source.data, **opts)))
        return activations.apply(self, source, activation)


def _average(*xs: jax.Array) -> jax.Array:
    return functools.reduce(jnp.add, xs) / len(xs)


KINDS: dict[str, Fn] = {
    "add": lambda *xs: functools.reduce(jnp.add, xs),
    "sub": lambda *xs: functools.reduce(jnp.subtract, xs),
    "mul": lambda *xs: functools.reduce(jnp.multiply, xs),
    "truediv": lambda *xs: functools.reduce(jnp.true_divide, xs),
    "floordiv": lambda *xs: functools.reduce(jnp.floor_divide, xs),
    "mod": lambda *xs: functools.reduce(jnp.mod, xs),
    "pow": lambda *xs: functools.reduce(jnp.power, xs),
    "average": _average,
    "maximum": lambda *xs: functools.reduce(jnp.maximum, xs),
    "minimum": lambda *xs: functools.reduce(jnp.minimum, xs),
    "logical_and": lambda *xs: functools.reduce(jnp.logical_and, xs),
    "logical_or": lambda *xs: functools.reduce(jnp.logical_or, xs),
    "squared_difference": lambda a, b: jnp.square(a - b),
    "logaddexp": lambda *xs: functools.reduce(jnp.logaddexp, xs),
}


_SIGNS = {
    "+": "add",
    "-": "sub",
    "*": "mul",
    "/": "truediv",
    "//": "floordiv",
    "subtract": "sub",
    "multiply": "mul",
}


def _outwards(graph: Graph, node: Node) -> int:
    """How many dictionaries are around that of a node."""
    found, level = 0, node.level
    while level.parent is not None or graph.outer is not None:
        found += 1
        if level.parent is not None:
            level = level.parent
        else:
            assert graph.root.owner is not None and graph.outer is not None
            level, graph = graph.root.owner.level, graph.outer
    return found


class _Arithmetic(Layer):
    """What arithmetic and expressions have in common."""

    @classmethod
    def link(cls, graph: Graph, node: Node) -> None:
        """Layers that the expression asks the network for are computed before."""
        for ref in layers_in(node.get("eval")):
            if ref.startswith(ROOT):
                ref = "base:" * _outwards(graph, node) + ref.removeprefix(ROOT)
            node.deps.append(graph.resolve(node.level, ref, node.key, "eval"))

    @transparent
    def frame(self, sources: Sequence[Tensor], allow: bool | None) -> Tensor:
        """The output without its data."""
        given = out_type.options(self)
        if not sources:
            return out_type.template(self, Tensor(None, ()), given)
        broadcast = True if self.node.get("out_shape") is not None or out_type.reshapes(given) else allow
        return out_type.template(self, ops.common(sources, broadcast_all=broadcast), given)

    @transparent
    def result(self, frame: Tensor, data: Any, with_bias: bool, activation: Any) -> Output:
        """The output, with bias and activation if asked for."""
        out = out_type.check(self, frame, data)
        if with_bias:
            if out.feature_dim is None:
                raise self.error("with_bias", with_bias, f"{out!r} has no feature dim")
            b = self.param("b", (out.feature_dim,), 0.0)
            out = out.like(out.data + b.reshape([-1 if i == out.feature_axis else 1 for i in range(out.ndim)]))
        return activations.apply(self, out, activation)

    @transparent
    def with_loss(self, out: Output, expression: Any, more: Any) -> Output:
        """The output with a loss of its own: the expression of the inputs' losses [batch], such as those of `fast_bw`."""
        losses = [self.given(key).extra for key in self.node.sources]
        if expression is None or not all(isinstance(x, jax.Array) for x in losses):
            rule = "inputs with losses of their own are needed, and an expression"
            raise self.error("eval_for_output_loss", True, rule, ["'from': a layer 'fast_bw'"])
        sources = [Tensor(x, (batch_dim(),)) for x in losses]
        return dataclasses.replace(out, extra=evaluate(self, sources, sources[0], expression, more))


@layer("combine")
class Combine(_Arithmetic):
    """Arithmetic of several inputs, entry by entry, over the dims of all; or an expression of them.

    With `with_bias` there is a parameter `b` (features), added before the activation.

    Inputs of any axes, output the axes of all.
    """

    framewise = True

    def forward(
        self,
        sources: Sequence[Tensor],
        *,
        kind: str,
        activation: Any = None,
        with_bias: bool = False,
        eval: Any = None,
        eval_locals: Any = None,
        eval_for_output_loss: bool = False,
        allow_broadcast_all_sources: bool | None = None,
    ) -> Output:
        frame = self.frame(sources, allow_broadcast_all_sources)
        if kind == "eval":
            if eval is None:
                raise self.error("eval", eval, "an expression is needed", ["'eval': 'source(0) + source(1)'"])
            data = evaluate(self, sources, frame, eval, eval_locals)
        else:
            fn = _function(kind)
            if fn is None:
                raise self.error("kind", kind, "there is no such operation", [", ".join(sorted(KINDS))])
            if not sources:
                raise self.error("from", self.node.get("from"), "at least one input is needed")
            ops.same_dtype(sources)
            if kind.startswith("logical") and sources[0].dtype != jnp.bool_:
                raise self.error("kind", kind, f"it wants what is true or false, not {sources[0]!r}")
            data = fn(*(ops.aligned(x, frame.dims) for x in sources))
        out = self.result(frame, data, with_bias, activation)
        return self.with_loss(out, eval, eval_locals) if eval_for_output_loss else out


def _function(kind: Any) -> Fn | None:
    if not isinstance(kind, str):
        return None
    found = KINDS.get(_SIGNS.get(kind, kind))
    if found is None:
        for space in (tf.math, tf):
            if kind in space and callable(getattr(space, kind)):
                binary = getattr(space, kind)
                return lambda *xs: functools.reduce(binary, xs)
    return found


@layer("eval")
class Eval(_Arithmetic):
    """An expression of the inputs: `source(0) * tf.nn.sigmoid(source(1))`.

    The expression is read, and interpreted over the names that are mapped; nothing is ever executed as Python code.

    Inputs of any axes, output the axes of all, or what `out_type` says; `source(i)` has the axes of all, of size 1 where the
    input lacks one.
    """

    @classmethod
    def link(cls, graph: Graph, node: Node) -> None:
        super().link(graph, node)
        if graph.root.kind == "loop" and "get_rec_step" in str(node.get("eval")):  # it depends on the step
            node.deps.append(graph.resolve(node.level, ":i", node.key, "eval"))

    @classmethod
    def likely_output(cls, run: Run, node: Node) -> Tensor | None:
        described = node.get("out_type")
        if isinstance(described, Mapping) and described.get("shape") == () and described.get("dtype") == "string":
            return Tensor(jnp.zeros((sizes.current().padded(batch_dim()),), jnp.uint32), (batch_dim(),))
        return super().likely_output(run, node)

    def forward(
        self,
        sources: Sequence[Tensor],
        *,
        eval: Any,
        eval_locals: Any = None,
        activation: Any = None,
        with_bias: bool = False,
        eval_for_output_loss: bool = False,
        allow_broadcast_all_sources: bool | None = None,
    ) -> Output:
        frame = self.frame(sources, allow_broadcast_all_sources)
        out = self.result(frame, evaluate(self, sources, frame, eval, eval_locals), with_bias, activation)
        return self.with_loss(out, eval, eval_locals) if eval_for_output_loss else out

    @transparent
    def of_all_steps(self) -> Output | None:
        """The value of a function that needs all steps, such as a transducer's loss; some functions want the batch axis first."""
        if not callable(self.node.get("eval")):
            return None
        options = self.resolved_options()
        try:
            return self.forward(self.sources, **options)
        except Exception:
            return self.forward([x.batch_first() for x in self.sources], **options)


def evaluate(layer: Layer, sources: Sequence[Tensor], frame: Tensor, expression: Any, more: Any) -> Any:
    """The value of an expression of the inputs, or of a function."""
    proxy = proxies.of_layer(layer, frame)

    def source(
        i: int,
        auto_convert: bool = True,
        enforce_batch_major: bool = False,
        as_data: bool = False,
        as_layer: bool = False,
    ) -> Any:
        if not isinstance(i, int) or not 0 <= i < len(sources):
            raise layer.error("eval", expression, f"source({i!r}): there are {len(sources)} inputs")
        if as_layer:
            return proxy.sources[i]
        x = sources[i]
        x = _as_frame_feature(x, frame) if auto_convert else x
        # what has further axes than the output is for the expression to bring into form
        if auto_convert and None not in ops.match(frame.dims, x.dims):
            x = Tensor(
                ops.aligned(x, frame.dims), frame.dims, time_axis=frame.time_axis, feature_axis=frame.feature_axis
            )
        x = x.batch_first() if enforce_batch_major else x
        return DataProxy(x) if as_data else x.data

    names = {"tf": tf, **OWN, "source": source, "self": proxy, **(more or {})}
    if callable(expression):
        with taught():
            found = with_tensorflow(expression)(**{k: names[k] for k in ("source", "self", *(more or {}))})
        return _array(found)
    if not isinstance(expression, str):
        raise layer.error("eval", expression, "an expression is needed", ["'eval': 'source(0) + source(1)'"])
    largest = max((math.prod(n for n in x.shape if isinstance(n, int)) for x in sources), default=0)
    with (
        bounds.budget(largest),
        taught(),
        jax.numpy_dtype_promotion("strict"),
    ):  # as TensorFlow: what is of different dtypes has to be cast
        return _array(parse(expression)(names))


def _array(found: Any) -> Any:
    """What an expression gives, as an array; of texts their hashes."""
    if isinstance(found, Words):
        return found.hashes
    return found.placeholder if isinstance(found, DataProxy) else jnp.asarray(found)


def _as_frame_feature(x: Tensor, frame: Tensor) -> Tensor:
    """`x` with its features as those of the output where these have another size: the expression will change it."""
    own = x.feature_dim
    if own is None or frame.feature_dim is None or any(ops.similar(own, d) for d in frame.dims):
        return x
    return x.replace_dim(x.feature_axis, frame.feature_dim)  # type: ignore[arg-type]


COMPARISONS: dict[str, Fn] = {
    "equal": jnp.equal,
    "not_equal": jnp.not_equal,
    "less": jnp.less,
    "less_equal": jnp.less_equal,
    "greater": jnp.greater,
    "greater_equal": jnp.greater_equal,
}
_COMPARISON_SIGNS = {
    "==": "equal",
    "!=": "not_equal",
    "<>": "not_equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
}


@layer("compare")
class Compare(Layer):
    """Whether each input is equal to, less than … the next one, and the last one to `value`.

    Inputs of any axes, output the axes of all, of truth values.
    """

    framewise = True

    def forward(
        self,
        sources: Sequence[Tensor],
        *,
        kind: str = "equal",
        value: Any = None,
        allow_broadcast_all_sources: bool | None = None,
    ) -> Tensor:
        fn = COMPARISONS.get(_COMPARISON_SIGNS.get(kind, kind)) if isinstance(kind, str) else None
        if fn is None:
            raise self.error("kind", kind, "there is no such comparison", [", ".join(COMPARISONS)])
        if not sources or (value is None and len(sources) < 2):
            raise self.error("from", self.node.get("from"), "two inputs, or one and 'value', are needed")
        ops.same_dtype(sources)
        if value is not None:
            value = self.entry("value", value, sources[0].dtype)
        given = out_type.options(self)
        broadcast = self.node.get("out_shape") is not None or out_type.reshapes(given) or allow_broadcast_all_sources
        frame = ops.common(sources, broadcast_all=broadcast or None)
        arrays = [ops.aligned(x, frame.dims) for x in sources]
        tests = [fn(a, b) for a, b in itertools.pairwise(arrays)]
        if value is not None:
            tests.append(fn(arrays[-1], value))
        data = functools.reduce(jnp.logical_and, tests)
        feature = frame.feature_axis
        return Tensor(data, frame.dims, None, frame.time_axis, AUTO if frame.sparse else feature)
