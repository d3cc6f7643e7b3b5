"""What the layers of a loop's body give, as far as dims and dtypes go, found before the loop runs.

`prev:x` has the form of `x`, and `x` may need it. Layers are looked at in the order in which they need each other, also
through `prev:`; where that goes in a circle, what is known already has to do: what a class can say of its output before its
inputs are known, or else a scalar, which takes any form when it is put together with others. What comes out is tried
again until nothing changes. All of it happens in one abstract trace in which no parameter is asked for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.errors import TenureError
from tenure.core.run import transformations as lifting
from tenure.network import ops, sizes
from tenure.network.graph import Key
from tenure.network.loop import LoopGraph
from tenure.network.output import Output, map_tensors, tensors
from tenure.network.run import Run
from tenure.network.tensor import Tensor

_ROUNDS = 12
_DTYPES = ("float32", "int32", "bool")


@dataclasses.dataclass(frozen=True)
class Forms:
    """The form of everything that a step gives; arrays are shapes.

    Attributes:
      outputs: node → what it gives.
    """

    outputs: Mapping[str, Output]

    def zeros(self, key: str) -> Tensor:
        """A node's output, all zeros."""
        return _zeros(self.outputs[key].tensor)

    def states(self) -> dict[str, dict[str, Tensor]]:
        """What layers keep from one step to the next, all zeros."""
        return {k: {n: _zeros(x) for n, x in out.state.items()} for k, out in self.outputs.items() if out.state}


def _zeros(x: Tensor) -> Tensor:
    return x.like(jnp.zeros(x.shape, x.dtype))


def form(tree: Any) -> Any:
    """The same with shapes for arrays."""
    return map_tensors(lambda x: x.like(jax.ShapeDtypeStruct(x.shape, x.dtype)), tree)


def signature(tree: Any) -> Any:
    """What of outputs must be equal for layers to give the same form."""
    found = [(x.dims, x.shape, str(x.dtype), x.sparse_dim, x.time_axis, x.feature_axis) for x in tensors(tree)]
    return tuple(found)


def find(
    graph: LoopGraph,
    inside: list[str],
    start: Callable[[], Run],
    label: Callable[[Tensor], Tensor],
    likely: Callable[[str, Tensor], Tensor],
) -> Forms:
    """The form of what the layers inside of a loop give.

    Args:
      graph: the loop's body.
      inside: its layers that run step by step.
      start: makes a pass with all that there is before the first step.
      label: gives a tensor of one step the dims that it has in the next one.
      likely: completes what a layer says of its output before its inputs are known.

    Raises:
      TenureError: a layer does not fit its inputs.
    """
    found: dict[str, Output] = {}

    def look() -> Any:
        search = _Search(graph, inside, label, likely)
        with sizes.inner():
            with ops.guessing():
                any(search.round(start()) for _ in range(_ROUNDS))
            search.settle()
            found.update({k: form(out) for k, out in search.outputs.items()})
        return jnp.zeros(())

    lifting.eval_shape(look)
    return Forms({k: v for k, v in found.items() if k in set(inside)})


class _Search:
    """Rounds over the body until forms no longer change.

    Attributes:
      outputs: what the nodes gave in the last round.
    """

    def __init__(self, graph: LoopGraph, inside: list[str], label: Callable[[Tensor], Tensor], likely: Any):
        self.graph, self.inside, self.label, self.likely = graph, inside, label, likely
        self.outputs: dict[str, Output] = {}
        self.guess: dict[str, Output] = {}
        self.memory: dict[str, tuple[Any, Output, TenureError | None]] = {}
        self.failed: dict[str, TenureError] = {}
        self.order = {key: i for i, key in enumerate(inside)}

    def round(self, run: Run) -> bool:
        """Looks at all layers; whether what `prev:` was taken for is what came out."""
        self.run, self.failed = run, {}
        self.done: set[str] = set()
        self.busy: set[str] = set()
        self.used: dict[str, Output] = {}
        self.vague: set[str] = set()
        for key in self.inside:
            self._reach(key)
        self.outputs = {k: run.outputs[k] for k in self.inside}
        new = {t: self._later(t) for t in self.used if t not in self.failed or t in self.guess}
        same = all(t in new and signature(new[t]) == signature(x) for t, x in self.used.items())
        self.guess = {**self.guess, **new}
        return same

    def settle(self) -> None:
        """Raises what is wrong with a layer although its inputs have their final form."""
        failed = [key for key in self.inside if key in self.failed]
        causes = [key for key in failed if self.vague.isdisjoint(self.graph.nodes[key].deps)]
        shaped = [
            key for key in failed if not self._unknown(key)
        ]  # what is wrong there is not what nothing was known of
        own = [
            key for key in shaped if not any(self.graph.previous.get(d) in failed for d in self.graph.nodes[key].deps)
        ]
        for key in (causes or own or shaped or failed)[:1]:
            raise self.failed[key]

    def _unknown(self, key: str) -> list[str]:
        """The inputs of a layer of which not even the dims are known."""
        deps = self.graph.nodes[key].deps
        return [d for d in deps if d in self.vague and d in self.run.outputs and not self.run.outputs[d].tensor.dims]

    def _reach(self, key: str) -> None:
        """Computes a node after all that it needs within the step."""
        wanted, todo = set(), [key]
        while todo:
            at = todo.pop()
            if at not in wanted and at in self.order and at not in self.done:
                wanted.add(at)
                todo += self.graph.nodes[at].deps
        for at in sorted(wanted, key=self.order.__getitem__):
            if at not in self.done:
                self._previous(at) if at in self.graph.previous else self._compute(at)

    def _previous(self, key: str) -> None:
        target = self.graph.previous[key]
        known = self.guess.get(target)
        if known is None and target not in self.done and target not in self.busy:
            self.busy.add(target)
            self._reach(target)
            self.busy.discard(target)
            if key in self.done:  # it was needed on the way to the target, and taken for something
                return
        if known is None and target in self.done and target not in self.failed:
            known = self._later(target)
        if known is None:
            known = Output(self._likely(target))
            self.vague.add(key)
        self.used[target] = known
        self.run.outputs[key] = known
        self.run.learn(known.tensor)
        self.done.add(key)

    def _later(self, key: str) -> Output:
        """What a layer gave, as the next step sees it."""
        out = self.run.outputs[key]
        return map_tensors(lambda x: _zeros(self.label(x)), Output(out.tensor, state=out.state))

    def _likely(self, key: str) -> Tensor:
        """What an output may be before its inputs are known."""
        node = self.graph.nodes[key]
        start = node.refs.get("initial_output")
        if isinstance(start, Key) and start in self.run.outputs and start not in self.order:
            return self.label(self.run.outputs[start].tensor)
        try:
            found = node.cls.first_output(self.run, node) or node.cls.likely_output(self.run, node)  # type: ignore[attr-defined]
        except (TenureError, TypeError, ValueError, LookupError):
            found = None
        return Tensor(jnp.zeros((), self._dtype(node)), ()) if found is None else self.likely(key, found)

    @staticmethod
    def _dtype(node: Any) -> Any:
        described = node.get("out_type")
        given = described.get("dtype") if isinstance(described, Mapping) else None
        if given == "string":  # of which hashes are kept
            return "uint32"
        start = node.get("initial_output")
        whole = isinstance(start, int) and not isinstance(start, bool)
        return given if given in _DTYPES else "int32" if whole else "float32"

    def _tried(self, key: str) -> tuple[Output, TenureError | None]:
        """What the layer gives, or may give if it fails; scalars that stand for what is not known may be of any dtype."""
        node, outputs = self.graph.nodes[key], self.run.outputs
        unknown = self._unknown(key)
        first: TenureError | None = None
        for dtype in (None, "int32", "float32", "bool") if unknown else (None,):
            if dtype is not None:
                self.run.outputs = outputs | {d: Output(Tensor(jnp.zeros((), dtype), ())) for d in unknown}
            try:
                return self.run.compute(node), None
            except TenureError as e:
                first = first or e
            finally:
                self.run.outputs = outputs
        return Output(self._likely(key)), first

    def _compute(self, key: str) -> None:
        node = self.graph.nodes[key]
        inputs = tuple(signature(self.run.outputs[d]) for d in node.deps if d in self.run.outputs)
        seen = self.memory.get(key)
        chooses = node.cls.chooses(node, self.graph.flags)  # type: ignore[attr-defined]
        if seen is not None and seen[0] == inputs and not chooses:
            out, error = seen[1:]
            self.run.outputs[key] = out
            self.run.learn(out.tensor)
        else:
            out, error = self._tried(key)
            self.run.outputs[key] = out
            self.memory[key] = (inputs, out, error)
        if error is not None:
            self.failed[key] = error
        if error is not None or not self.vague.isdisjoint(node.deps):
            self.vague.add(key)
        self.done.add(key)
