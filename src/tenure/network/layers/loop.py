"""Loops: recurrent layers whose unit is a dictionary of layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.run import transformations as lifting
from tenure.network import ops, sizes
from tenure.network.constraints import Decay, DecayInside
from tenure.network.dims import Dim, batch_dim
from tenure.network.graph import Graph, Node
from tenure.network.layer import Layer, layer
from tenure.network.layers.choice import Choice
from tenure.network.loop import LoopGraph, Parts, parts
from tenure.network.losses.registry import add_loss, output_dim
from tenure.network.output import Output
from tenure.network.run import Run
from tenure.network.tensor import Tensor

State = dict[str, dict[str, Tensor]]


@layer("prev")
class Previous(Layer):
    """A layer's output one step ago; the loop gives it."""

    framewise = False

    def forward(self) -> Tensor:
        raise self.error("from", self.node.key, "there is no step before, outside of a loop")


@layer("frame")
class Frame(Layer):
    """One frame of a sequence; the loop gives it."""

    def forward(self) -> Tensor:
        raise self.error("from", self.node.key, "there is no frame outside of a loop")


@dataclasses.dataclass
class _Step:
    """What one step knows of the one before.

    Attributes:
      outputs: node → output, of those that a `prev:` names.
      states: of layers that keep one.
    """

    outputs: dict[str, Tensor]
    states: State


@layer("rec_loop")
class Loop(Layer):
    """A dictionary of layers, step by step over a sequence; what need not run step by step is moved out of the loop.

    The loop goes over the input's time, or the target's if there is no input; in search until `end` says so, at most
    `max_seq_len` steps.
    """

    container = True
    more_options = ("unit",)

    @classmethod
    def link(cls, graph: Graph, node: Node) -> None:
        unit = node.get("unit")
        node.branches["unit"] = LoopGraph(graph, node, unit).build()
        if node.get("target") and not graph.flags.search:
            node.deps.append(graph.resolve(node.level, f"data:{node.get('target')}", node.key, "target"))

    def forward(
        self,
        sources: Any = (),
        *,
        axis: Any = None,
        max_seq_len: Any = None,
        optimize_move_layers_out: bool | None = None,
        include_eos: bool = False,
        cheating: bool = False,
        direction: int | None = None,
    ) -> Output:
        graph = self.node.branches["unit"]
        assert isinstance(graph, LoopGraph)
        split = parts(graph)
        if optimize_move_layers_out is False:
            moved = [k for k in split.before if k not in graph.frames]
            split = Parts([k for k in split.before if k in graph.frames], [*moved, *split.inside, *split.after], [])
        outside = self._sequences(graph)
        time = self._time(outside, axis, max_seq_len)
        run = self._run(graph)
        run.outputs |= {key: Output(x) for key, x in outside.items()}
        for key in split.before:
            if key not in run.outputs:
                run.compute(graph.nodes[key])
        self._loop(graph, split, run, time)
        for key in split.after:
            run.compute(graph.nodes[key])
        self.run.params += run.params
        self.run.constraints += run.constraints
        self.run.losses.update(run.losses)
        subs = {k[len(graph.root.path) :]: v for k, v in run.outputs.items() if k.startswith(graph.root.path)}
        return dataclasses.replace(run.outputs[f"{graph.root.path}output"], subs=subs)

    # What is there before the loop starts.

    def _sequences(self, graph: LoopGraph) -> dict[str, Tensor]:
        """The sequences of which the body sees frames."""
        found = {}
        for key, outside in graph.frames.items():
            found[key] = self.source() if outside == "source" else self.run.outputs[outside].tensor
        return found

    def _time(self, outside: Mapping[str, Tensor], axis: Any, limit: Any) -> Dim:
        """The dim that the loop goes over."""
        source = outside.get("data:source")
        if source is not None:
            return source.dims[self.axis(source, "T" if axis is None else axis)]
        target = self.node.refs.get("target")
        if target and target[0] is not None and not self.run.flags.search:
            dim = self.run.outputs[target[0]].tensor.time_dim
            if dim is not None:
                return dim
        if not isinstance(limit, int) or isinstance(limit, bool):
            raise self.error("max_seq_len", limit, "a loop without input needs a number", ["'max_seq_len': 100"])
        time = self.new_dim("time", None)
        sizes.current().declare(time, limit)
        return time

    def _run(self, graph: LoopGraph) -> Run:
        run = Run(self.run.network, graph, self.run.flags, self.run)
        run.params, run.losses, run.constraints = [], {}, []
        for key in graph.imports:
            run.outputs[f"base:{key}"] = self.run.outputs[key]
        return run

    # The loop.

    def _loop(self, graph: LoopGraph, split: Parts, run: Run, time: Dim) -> None:
        """Runs the layers inside, and puts their outputs over the whole sequence into `run`."""
        if not split.inside:
            return
        known = {k: out for k, out in run.outputs.items() if k.startswith("base:") or not out.tensor.has(time)}
        over = {k: out.tensor.move_axis(out.tensor.axis(time), 0) for k, out in run.outputs.items() if k not in known}
        frames = {k: x.data for k, x in over.items()}
        built: dict[str, Layer] = {}
        around = sizes.current()

        def step(before: _Step, arrays: Mapping[str, Any]) -> tuple[_Step, dict[str, Tensor]]:
            inner = self._run(graph)
            inner.loop_time = time
            inner.layers, inner.states, inner.single_step = built, before.states, True
            inner.outputs |= known | {k: Output(_frame(over[k], arrays[k])) for k in arrays}
            inner.outputs |= {k: Output(before.outputs[target]) for k, target in graph.previous.items()}
            for key in split.inside:
                if key not in graph.previous:
                    inner.compute(graph.nodes[key])
            outputs = {k: inner.outputs[k].tensor for k in split.inside if k not in graph.previous}
            states = {k: dict(inner.outputs[k].state) for k in outputs if inner.outputs[k].state}
            run.params += [use for use in inner.params if use not in run.params]
            decays = [term for term in inner.constraints if isinstance(term, (Decay, DecayInside))]
            run.constraints += [term for term in decays if term not in run.constraints]
            outputs |= _new_lengths(outputs, around)
            after = _Step({k: outputs[k] for k in set(graph.previous.values())}, states)
            return after, outputs

        first = jax.tree.map(lambda x: x[0], frames)
        start = _Step(self._initial(graph, step, first), {})
        with sizes.inner():
            carried, outputs = step(start, first)
        self._rest(run, time, step, carried, outputs, frames)
        run.layers |= built
        for key in outputs:
            if key in graph.nodes and graph.nodes[key].get("loss") and run.flags.eval:
                add_loss(run.build(graph.nodes[key]), run.outputs[key])

    def _rest(self, run: Run, time: Dim, step: Any, carried: _Step, first: dict[str, Tensor], frames: Any) -> None:
        """All steps but the first, with `jax.lax.scan`."""
        known = sizes.current()
        length = known.padded(time)
        lengths = known.lengths(time)
        end_key = next((k for k in first if k.endswith("/end")), None)
        searching = end_key is not None and lengths is None and "data:source" not in frames

        def flat(s: _Step) -> Any:
            return (
                {k: x.data for k, x in s.outputs.items()},
                {k: {n: x.data for n, x in v.items()} for k, v in s.states.items()},
            )

        def full(arrays: Any) -> _Step:
            outputs = {k: carried.outputs[k].like(x) for k, x in arrays[0].items()}
            states = {k: {n: carried.states[k][n].like(x) for n, x in v.items()} for k, v in arrays[1].items()}
            return _Step(outputs, states)

        def body(carry: Any, inputs: Any) -> Any:
            with sizes.inner():
                (before, ended), (t, arrays) = carry, inputs
                after, outputs = step(full(before), arrays)
                going = self._going(t, lengths, ended)
                now = {k: ops.aligned(x, first[k].dims) for k, x in outputs.items()}
                for key, value in after.outputs.items():
                    after.outputs[key] = carried.outputs[key].like(ops.aligned(value, carried.outputs[key].dims))
                new = flat(after) if going is None else _where(going, flat(after), before, carried)
                if searching:
                    ended = ended | now[end_key]
                return (new, ended), (now, ended)

        ended = first[end_key].data if searching else jnp.zeros((), bool)  # type: ignore[index]
        steps = jnp.arange(1, length)
        later = jax.tree.map(lambda x: x[1:], frames)
        _, (ys, ends) = lifting.scan(body, (flat(carried), ended), (steps, later), length=length - 1)
        for key, x in first.items():
            data = jnp.concatenate([x.data[None], ys[key]])
            if isinstance(key, _LengthsOf):
                known.declare(key.dim.root, key.padded, Tensor(data, (time, *x.dims)))
                continue
            stacked = Tensor(
                data, (time, *x.dims), x.sparse_dim, 0, None if x.feature_axis is None else x.feature_axis + 1
            )
            run.outputs[key] = Output(stacked)
        if searching:
            done = jnp.concatenate([ended[None], ends])
            dims = first[end_key].dims  # type: ignore[index]
            known.declare(time, length, Tensor(length - jnp.sum(done, 0, dtype=jnp.int32), dims))

    @staticmethod
    def _going(t: Any, lengths: Tensor | None, ended: Any) -> Tensor | None:
        """Which sequences still go on at step `t`."""
        if lengths is None:
            return None
        return lengths.like(t < lengths.data)

    def _initial(self, graph: LoopGraph, step: Any, frames: Any) -> dict[str, Tensor]:
        """What `prev:x` is in the first step.

        Of what form the output is only the step itself can tell, which needs it: a guess is corrected until it holds.
        """
        guess = {target: self._guess(graph, target) for target in set(graph.previous.values())}
        for _ in range(4):
            found: dict[str, Tensor] = {}

            def once(frames: Any, guess: Any = guess, found: dict[str, Tensor] = found) -> Any:
                with sizes.inner(), ops.guessing():
                    after, _ = step(_Step(guess, {}), frames)
                found.update({k: x.like(None) for k, x in after.outputs.items()})
                return {k: x.data for k, x in after.outputs.items()}

            shapes = lifting.eval_shape(once, frames)
            new = {k: self._filled(graph, k, x, shapes[k]) for k, x in found.items()}
            if all(new[k].dims == guess[k].dims and new[k].dtype == guess[k].dtype for k in new):
                return new
            guess = new
        raise self.error("unit", "…", "the form of a layer's output one step ago cannot be found out", ["'n_out': …"])

    def _guess(self, graph: LoopGraph, key: str) -> Tensor:
        """What a layer's output may look like: by its own size, or as the first of its inputs that has one."""
        own = self._own_first(graph, graph.nodes[key])
        if own is not None:
            return own
        batch = batch_dim()
        n = sizes.current().padded(batch)
        size, seen, todo = None, set(), [key]
        while todo and size is None:
            node = graph.nodes.get(todo.pop(0))
            if node is not None and node.key not in seen:
                seen.add(node.key)
                size = node.get("out_dim") or node.get("n_out") or self._label_dim(graph, node)
                inputs = node.deps if node.cls.container else node.sources  # type: ignore[attr-defined]
                todo += [graph.previous.get(s, s) for s in inputs]
        if graph.nodes[key].cls is Choice or size is None:
            return Tensor(jnp.zeros((n,), jnp.int32), (batch,), self._label_dim(graph, graph.nodes[key]))
        dim = size if isinstance(size, Dim) else self.new_dim(f"guess:{key}", size, "feature")
        return Tensor(jnp.zeros((n, dim.root.size or 1)), (batch, dim))

    def _own_first(self, graph: LoopGraph, node: Node) -> Tensor | None:
        """What the layer's class says of the output before the first step."""
        return node.cls.first_output(self._run(graph), node)  # type: ignore[attr-defined]

    def _label_dim(self, graph: LoopGraph, node: Node) -> Dim | None:
        target = node.get("target")
        found = self.run.network.templates.get(target) if isinstance(target, str) else None
        dim = None if found is None else found.tensor.sparse_dim
        return None if dim is None else output_dim(node.get("loss"), dim)

    def _filled(self, graph: LoopGraph, key: str, x: Tensor, shape: Any) -> Tensor:
        """The initial output of a layer, of that form."""
        node = graph.nodes[key]
        value = node.refs.get("initial_output", node.get("initial_output"))
        own = self._own_first(graph, node) if value is None else None
        if own is not None:
            return x.like(ops.aligned(own, x.dims))
        if value is None and x.sparse:
            raise self.error("unit", key, "indices have no initial output of themselves", ["'initial_output': 0"])
        number: Any = {None: 0, "zeros": 0, "ones": 1}.get(value) if isinstance(value, (str, type(None))) else value
        if isinstance(number, (int, float)):
            return x.like(jnp.full(shape.shape, number, shape.dtype))
        given = self.run.outputs.get(str(value).removeprefix("base:"))
        if given is None:
            raise self.error("initial_output", value, "a number, 'zeros', 'ones' or a layer outside is needed")
        return x.like(jnp.broadcast_to(ops.aligned(given.tensor, x.dims), shape.shape))


class _LengthsOf(str):
    """A name for the lengths of a dim that the steps make, among the outputs of a step."""

    dim: Dim
    padded: int


def _new_lengths(outputs: Mapping[str, Tensor], around: sizes.Sizes) -> dict[str, Tensor]:
    """The lengths of dims that only a step knows of."""
    found: dict[str, Tensor] = {}
    known = sizes.current()
    for dim in dict.fromkeys(d for x in outputs.values() for d in x.dims if d.is_dynamic and not around.knows(d)):
        lengths = known.lengths(dim)
        if lengths is not None:
            name = _LengthsOf(f"lengths of {dim.name} {len(found)}")
            name.dim, name.padded = dim, known.padded(dim)
            found[name] = lengths
    return found


def _frame(x: Tensor, data: Any) -> Tensor:
    """One frame of a tensor whose first axis is the loop's."""
    rest = list(range(1, x.ndim))
    return x.with_dims(data, x.dims[1:], origin=rest)


def _where(going: Tensor, new: Any, old: Any, like: _Step) -> Any:
    """The new values of the sequences that go on, the old ones of the others."""

    def choose(x: Tensor, a: Any, b: Any) -> Any:
        return jnp.where(ops.aligned(going, x.dims), a, b) if all(x.has(d) for d in going.dims) else a

    outputs = {k: choose(like.outputs[k], v, old[0][k]) for k, v in new[0].items()}
    states = {k: {n: choose(like.states[k][n], v, old[1][k][n]) for n, v in s.items()} for k, s in new[1].items()}
    return outputs, states
