"""One forward pass: layers are built and called in the graph's order; what they give is kept for those that need it."""

from __future__ import annotations

import copy
import dataclasses
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from tenure.core.errors import Party, TenureError, brief, nearest
from tenure.core.notation import paths
from tenure.core.run.frame import current_frame
from tenure.core.sites import raised_at
from tenure.network import sizes as sizes_
from tenure.network import versions
from tenure.network.beams import Beams
from tenure.network.dims import Dim
from tenure.network.errors import LayerError, option_error
from tenure.network.graph import Flags, Graph, Node
from tenure.network.lanes import over_lanes
from tenure.network.losses.lanes import hide, unhide
from tenure.network.losses.outputs import output_dim
from tenure.network.noise import with_noise
from tenure.network.occurrences import Probe
from tenure.network.output import Output, tensors
from tenure.network.param_use import ParamUse
from tenure.network.sharing import NOTHING, sharing
from tenure.network.tensor import Tensor
from tenure.network.typing import Layer, Network

_FAULTS = (
    TypeError,
    ValueError,
    LookupError,
    ArithmeticError,
    AttributeError,
    NotImplementedError,
    AssertionError,
    RecursionError,
    ImportError,
)


def _raised(error: Exception) -> list[Party]:
    """The line of a function of the dictionary's that failed, if it was one."""
    site = raised_at(error)
    known = site.file and not site.file.startswith((sys.prefix, sys.base_prefix))  # not a library's line
    return [Party("raised at", str(site))] if known else []


class Run:
    """One forward pass of a graph.

    Attributes:
      outputs: what the layers gave so far, by key.
      wanted: nodes that the pass is made for.
      missing: nodes that need targets which are not there.
      params: which parameters the layers asked for so far.
      losses: what `losses` gave, by name.
      constraints: terms that are added to the objective: L2 and the like.
      step: how many training steps there were.
      forms: what the outputs of all layers look like, those inside of loops in one step: tensors of shapes.
      unset: keys that functions asked the config for, which it lacks.
      dropped: inputs with dropout, so that one mask serves all that ask for the same.
      states: in one step of a loop, what layers kept from the step before, by key and name.
      beams: the hypotheses of searches.
      single_step: whether it is one step of a loop, whose losses are computed when all steps are done.
      loop_time: the dim that the loop around goes over, if there is one.
      loop_dim: what that dim is outside of the loop.
      loop_step: the number of the step.
      all_steps: whether it computes what was moved out of the loop over `loop_time`, for all steps at once.
      stepped: the keys of the layers that run step by step in RETURNN, in a loop's body.
      search: in one step of a search, what choices need of the step before.
      dry: whether only the form of outputs is looked for: nothing is asked for, drawn or kept.
      outer: the pass around, in the body of a loop or a branch.
      finish: what is done with every layer's output.
      probes: module → `occurrences.Probe` of its matrix.
    """

    def __init__(
        self,
        network: Network,
        graph: Graph,
        flags: Flags,
        outer: Run | None = None,
        finish: Callable[[Layer, Output], Output] | None = None,
    ):
        self.network, self.graph, self.flags, self.outer = network, graph, flags, outer
        self.finish: Callable[[Layer, Output], Output] = finish or (outer.finish if outer is not None else _unchanged)
        self.step: Any = 0 if outer is None else outer.step
        self.outputs: dict[str, Output] = {}
        self.missing: set[str] = set()
        self.wanted: frozenset[str] = frozenset()
        self.inputs: dict[str, Tensor] = {}
        self.probes: Mapping[str, Probe] = {} if outer is None else outer.probes
        self.layers: dict[str, Layer] = {}
        self.params: list[ParamUse] = [] if outer is None else outer.params
        self.losses: dict[str, Any] = {} if outer is None else outer.losses
        self.constraints: list[Any] = [] if outer is None else outer.constraints
        self.forms: dict[str, Tensor] = {} if outer is None else outer.forms
        self.unset: list[str] = [] if outer is None else outer.unset
        self.dropped: dict[Any, Tensor] = {}
        self.scopes: dict[str, str] = {}
        self.states: dict[str, Any] = {}
        self.beams: Beams = Beams(None if outer is None else outer.beams)
        self.single_step = False
        self.loop_time: Dim | None = None
        self.loop_dim: Dim | None = None
        self.loop_step: Any = None
        self.all_steps = False
        self.stepped: frozenset[str] = frozenset()
        self.search: Any = None
        self.dry: bool = False if outer is None else outer.dry

    def go(self) -> Run:
        """Builds and calls all layers."""
        for node in self.graph.nodes.values():
            if node.key not in self.graph.absent and not self._is_missing(node):
                self.compute(node)
        return self

    def _is_missing(self, node: Node) -> bool:
        """Whether it needs a target that is not there, where no losses are asked for."""
        if self.flags.eval or self.outer is not None:
            return False
        lacks = node.class_name == "source" and node.get("key") not in self.inputs
        if lacks or not self.missing.isdisjoint(node.sources):
            self.missing.add(node.key)
        return node.key in self.missing

    def compute(self, node: Node) -> Output:
        """Builds one layer, calls it, and keeps what it gives.

        Raises:
          TenureError: what is wrong with it; names the layer.
        """
        asked = len(self.unset)
        try:
            layer = self.build(node)
            out = self.call(layer)
            self.learn(out.tensor)
            out = self.finish(layer, self._with_loss_of_source(node, out))
        except TenureError as e:
            named = self._with_unset(self._named(node, e), asked)
            raise named from (e if named is not e else e.__cause__)
        except _FAULTS as e:
            raise self._with_unset(self._failed(node, e), asked) from e
        self.outputs[node.key] = out
        self._note(node.key, out.tensor)
        return out

    def _with_loss_of_source(self, node: Node, out: Output) -> Output:
        """The output with the loss that one of its inputs carries, where the dictionary says so."""
        at = node.get("copy_output_loss_from_source_idx")
        if at is None:
            return out
        if isinstance(at, bool) or not isinstance(at, int) or not 0 <= at < len(node.sources):
            option = "copy_output_loss_from_source_idx"
            raise option_error(node.key, node.class_name, option, at, f"there are {len(node.sources)} inputs")
        return dataclasses.replace(out, extra=self.outputs[node.sources[at]].extra)

    def _note(self, key: str, x: Tensor) -> None:
        """Remembers what a layer's output looks like, in one step where it was moved out of a loop."""
        struct = x.like(jax.ShapeDtypeStruct(x.shape, x.dtype))
        if self.all_steps and self.loop_time is not None and x.has(self.loop_time):
            axis = x.axis(self.loop_time)
            struct = struct.without(axis).like(jax.ShapeDtypeStruct((*x.shape[:axis], *x.shape[axis + 1 :]), x.dtype))
        self.forms[key] = struct

    def call(self, layer: Layer) -> Output:
        """What the layer gives: for each hypothesis, and each step of what was moved out of a loop, where there are such.

        Its inputs are those of one beam: the latest among them, whose back pointers the others follow.
        """
        node, time = layer.node, self.loop_time
        if not self.beams and not self.all_steps:
            return layer()
        given = {k: self.outputs[k] for k in dict.fromkeys(node.deps) if k in self.outputs} | layer.inputs_of_search()
        states = self.states.get(node.key, {})
        found = tensors((given, states))
        beam = self.beams.latest(x.beam_dim for x in found)
        if self.all_steps and time is not None and not layer.over_all_steps and any(x.has(time) for x in found):
            return self._over_steps(layer, given, time)
        if beam is None:
            return layer()
        given, states = self.beams.read_all((given, states), beam)
        if layer.sees_beams:
            return self._within(layer, given, states, layer)

        losses: dict[str, Any] = {}

        def one(inputs: Any, number: Any) -> Output:
            losses.clear()
            outputs, kept = inputs
            return hide(self._within(layer, outputs, kept, layer, losses), losses)

        out, summed = unhide(over_lanes(beam, (given, states), one, lengths=self.beams.lengths(beam)), losses)
        self.losses.update(summed)
        return out

    def _over_steps(self, layer: Layer, given: Any, time: Dim) -> Output:
        """All steps of a layer that has none of its own, at once."""

        def one(inputs: Any, number: Any) -> Output:
            view = self._view(inputs, {})
            view.all_steps, view.single_step, view.loop_step = False, True, number
            layer.run = view
            try:
                return view.call(layer)
            finally:
                layer.run = self

        try:
            return over_lanes(time, given, one, split_rng=True, as_time=True)
        except (TenureError, *_FAULTS) as error:
            try:
                whole = layer.of_all_steps()
            except (TenureError, *_FAULTS) as other:
                raise self._of_both(layer.node, error, other) from other
            if whole is None:
                raise
            return whole

    def _of_both(self, node: Node, error: Exception, other: Exception) -> TenureError:
        """The error of one step of a layer, with that of all its steps at once where that is another."""
        told = self._named(node, error) if isinstance(error, TenureError) else self._failed(node, error)
        reason = (str(other) or repr(other)).partition("\n")[0]
        if reason in str(told):
            return told
        at_once = Party("all steps at once", node.key, f"{type(other).__name__}: {reason}", str(raised_at(other)))
        found = told.again(parties=[*told.parties, at_once])
        found.layer = node.key  # type: ignore[attr-defined]
        return found

    def _view(self, given: Mapping[str, Output], states: Any) -> Run:
        """This pass as one layer sees it that is called for one of many lanes."""
        view = copy.copy(self)
        view.outputs = {**self.outputs, **given}
        view.dropped = {}
        if states:
            view.states = states
        return view

    def _within(
        self, layer: Layer, given: Mapping[str, Output], states: Any, call: Callable[[], Output], losses: Any = None
    ) -> Output:
        layer.run = self._view(given, {**self.states, layer.node.key: states} if states else {})
        if losses is not None:
            layer.run.losses = losses
        try:
            return call()
        finally:
            layer.run = self

    def learn(self, tensor: Tensor) -> None:
        """The sizes of a new tensor's dims become known."""
        sizes_.current().of_shape(tensor.dims, tensor.shape)

    def build(self, node: Node) -> Layer:
        """The node's layer, built once a pass."""
        if node.key not in self.layers:
            frame = current_frame("network")
            given = NOTHING if frame.settled else sharing(self.network, self, node)
            more = {name: value for name, value in (("share", given.share), ("stages", given.stages)) if value}
            layer = self.layers[node.key] = node.cls(node, self, **more)
            unused = [*given.created, *["*"] * bool(given.may_be_unused and given.share)]
            frame.sources.used.update(("share", f"{paths.plain(layer.module_name)}/{name}") for name in unused)
        layer = self.layers[node.key]
        layer.run = self
        return layer

    def _named(self, node: Node, error: TenureError) -> TenureError:
        if f"'{node.key}'" in error.rule or getattr(error, "layer", None):
            return error
        rule = f"layer '{node.key}' ({node.class_name}): {error.rule}"
        raised = error.again(rule, [*error.parties, *self._inputs(node)])
        raised.layer = node.key  # type: ignore[attr-defined]
        return raised

    def _with_unset(self, error: Any, asked: int) -> Any:
        """The error of a layer, with the keys that its function asked the config for in vain since then."""
        names, self.unset[asked:] = list(dict.fromkeys(self.unset[asked:])), []
        if not names:
            return error
        known = self.network.config
        texts = [", ".join(["no such key", *(f"nearest: {n}" for n in nearest(name, known)[:1])]) for name in names]
        found = [Party("config", name, text) for name, text in zip(names, texts, strict=True)]
        told = error.again(parties=[*error.parties, *found])
        told.layer = getattr(error, "layer", None)
        return told

    def _failed(self, node: Node, error: Exception) -> LayerError:
        reason = str(error).partition("\n")[0]
        options = ", ".join(f"{k}={brief(v)}" for k, v in node.options.items() if k not in ("class", "from"))
        ways = ["check the dims of its inputs", "check the values of its options"]
        if isinstance(error, AttributeError) and isinstance(
            error.obj, tuple
        ):  # TensorFlow's `x.shape` is more than one
            ways = [f"x.get_shape().{error.name} instead of x.shape.{error.name}", *ways]
        raised = LayerError(
            f"layer '{node.key}' ({node.class_name}) cannot be computed: {type(error).__name__}: {reason}",
            parties=[Party("options", node.key, options), *self._inputs(node), *_raised(error)],
            ways=ways,
        )
        raised.layer = node.key  # type: ignore[attr-defined]
        return raised

    def _inputs(self, node: Node) -> list[Party]:
        return [Party("input", k, str(self.outputs[k].tensor)) for k in node.sources if k in self.outputs]

    def module_path(self, node: Node) -> str:
        """The path of a layer's module: its scope, unless another layer has that one already."""
        return self.network.module_path(self, node)

    def is_trainable(self, node: Node) -> bool:
        """Whether neither the layer nor one of the sub-networks around it is declared untrainable."""
        at: Node | None = node
        while at is not None:
            if at.get("trainable") is not None and not at.get("trainable"):
                return False
            at = at.level.owner
        return True

    def record_param(self, layer: Layer, name: str, value: Any, trainable: bool, module: str) -> None:
        """Notes that a layer asked for a parameter, which belongs to the module of that path."""
        path = f"{module}/{name}"
        if not any(u.path == path and u.layer == layer.node.key for u in self.params):
            self.params.append(ParamUse(layer.node.key, name, path, trainable, value))

    def noise(self, layer: Layer, name: str, value: jax.Array, trainable: bool) -> jax.Array:
        """The parameter with the noise and the dropout that the layer's options ask for in training."""
        legacy = self.network.reuse == "legacy"
        return with_noise(layer, name, value) if legacy and self.flags.train and trainable else value

    def target(self, name: str) -> Tensor:
        """The data that a target names.

        Raises:
          LayerNotFoundError: there are none.
        """
        return self.outputs[self.graph.resolve(self.graph.root, f"data:{name}", "target", "target")].tensor

    def target_dim(self, node: Node) -> Dim | None:
        """The output dim that the layer's target asks for."""
        targets = node.refs.get("target")
        if not targets or targets[0] is None:
            return None
        found = self.outputs.get(targets[0])
        dim = (self._absent(targets[0]) if found is None else found.tensor).feature_or_sparse_dim
        return None if dim is None else output_dim(node.get("loss"), dim)

    def _absent(self, key: str) -> Tensor:
        """The form of a target that is not there: what it is computed from is made up."""
        root, name = self, key
        while root.outer is not None:
            root, name = root.outer, name.removeprefix("base:")
        dry = Run(root.network, root.graph, root.flags)
        dry.dry, wanted, todo = True, set(), [name]
        while todo:
            at = todo.pop()
            if at not in wanted and at in root.graph.nodes:
                wanted.add(at)
                todo += root.graph.nodes[at].deps
        with sizes_.inner() as known:
            for of, template in root.network.templates.items():
                x = template.tensor
                shape = tuple(known.padded(d) if known.knows(d) else 2 for d in x.dims)
                known.of_shape(x.dims, shape)
                dry.inputs[of] = root.inputs.get(of) or x.like(jnp.zeros(shape, template.dtype))
            for at in root.graph.nodes:
                if at in wanted:
                    dry.compute(root.graph.nodes[at])
            return dry.outputs[name].tensor


def _unchanged(layer: Layer, out: Output) -> Output:
    return out


def run_graph(
    network: Network,
    graph: Graph,
    flags: Flags,
    inputs: Mapping[str, Tensor],
    step: Any = 0,
    finish: Callable[[Layer, Output], Output] = _unchanged,
    wanted: Iterable[str] = (),
    probes: Mapping[str, Probe] | None = None,
) -> Run:
    """One pass over these inputs, with the network's behaviour version.

    Args:
      network: whose pass it is.
      graph: its layers.
      flags: what they are computed for.
      inputs: by key.
      step: how many training steps there were.
      finish: what is done with every layer's output.
      wanted: the layers that it is made for.
      probes: see `Run`.
    """
    with versions.use(network.behavior_version):
        run = Run(network, graph, flags, finish=finish)
        run.step, run.wanted, run.probes = step, frozenset(wanted), probes or {}
        run.inputs.update(inputs)
        return run.go()
