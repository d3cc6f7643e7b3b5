"""Loops: recurrent layers whose unit is a dictionary of layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from tenure.network import forms, loop_length, ops, sizes
from tenure.network.beams import Beam, beam_first, expand, relabel, select
from tenure.network.constraints import Decay, DecayInside
from tenure.network.dims import BEAM, Dim, batch_dim
from tenure.network.graph import Graph, Node
from tenure.network.layer import Layer, layer
from tenure.network.layers.first_output import first_output
from tenure.network.loop import LoopGraph, mask_around, parts
from tenure.network.losses.registry import add_loss
from tenure.network.output import Output, is_tensor, map_tensors, tensors
from tenure.network.run import Run
from tenure.network.steps import Carry, Hypotheses, over_frames, trace_back, until_ended
from tenure.network.tensor import Tensor


@dataclasses.dataclass(frozen=True)
class SearchStep:
    """What choices need of the step before.

    Attributes:
      ended: which hypotheses of the loop's beam have ended, a tensor.
      live: how many hypotheses of the loop's beam there are; the others are placeholders in the first step.
    """

    ended: Tensor
    live: Any


@layer("rec_loop")
class Loop(Layer):
    """A dictionary of layers, step by step over a sequence; what need not run step by step is moved out of the loop.

    The loop goes over the input's time, or the target's if there is no input; in search until `end` says so, at most
    `max_seq_len` steps. Input [B, T, …], output [T, B, …] of the layer `output` inside, with the dim of the hypotheses
    where it searches; `rec/x` are outputs of layers inside.
    """

    container = True
    stepwise = True
    more_options = ("unit",)

    @classmethod
    def link(cls, graph: Graph, node: Node) -> None:
        body = node.branches["unit"] = LoopGraph(graph, node, node.get("unit")).build()
        assert isinstance(body, LoopGraph)
        loop_length.link(graph, node, body)

    @property
    def sees_beams(self) -> bool:
        return self.chooses(self.node, self.run.flags)

    def forward(
        self,
        sources: Any = (),
        *,
        axis: Any = None,
        max_seq_len: Any = None,
        max_seq_len_via: Tensor | None = None,
        optimize_move_layers_out: bool | None = None,
        include_eos: bool = False,
        direction: int | None = None,
        back_prop: bool | None = None,
        unroll: bool = False,
        input_projection: bool = True,
        use_global_rec_step_offset: bool = False,
        debug: bool | None = None,
        unit_opts: Any = None,
    ) -> Output:
        if direction not in (None, 1, -1):
            raise self.error("direction", direction, "forward is 1, backward is -1")
        self.unsupported("a dictionary of layers has no options of a cell", unit_opts=unit_opts)
        return _Pass(self).result(back_prop is not False)


class _Pass:
    """One pass of a loop.

    Attributes:
      loop: the layer.
      graph: its body.
      time: the dim that it goes over.
      run: the pass over what is moved out.
    """

    def __init__(self, loop: Layer):
        self.loop, self.outer = loop, loop.run
        graph = loop.node.branches["unit"]
        assert isinstance(graph, LoopGraph)
        self.graph = graph
        self.split = parts(graph, loop.node.get("optimize_move_layers_out") is not False)
        self.reverse = loop.node.get("direction") == -1
        self.run = self._run()
        self.run.all_steps = True
        self.built: dict[str, Layer] = {}
        self.new_lengths: list[tuple[Dim, int, Tensor]] = []
        self.run.layers = self.built
        frames = loop_length.sequences(loop, graph)
        known = sizes.current()
        self.outer_time = loop_length.time(loop, graph, frames)
        self.time = self.run.loop_time = loop.new_dim("steps", None)  # a sequence as a whole has the outer dim
        self.run.loop_dim = self.outer_time
        known.declare(self.time, known.padded(self.outer_time), known.lengths(self.outer_time))
        self.frames = {
            k: self._frames(loop_length.fitted(loop, graph, k, x, self.outer_time)) for k, x in frames.items()
        }

    def _run(self) -> Run:
        run = Run(self.outer.network, self.graph, self.graph.flags, self.outer)
        run.params, run.losses, run.constraints = [], {}, []
        for key in self.graph.imports:
            if key in self.outer.outputs:
                run.outputs[f"base:{key}"] = self.outer.outputs[key]
        return run

    def _frames(self, x: Tensor) -> Tensor:
        """A sequence as one of frames for the steps."""
        if not x.has(self.outer_time):
            return x
        return self._turned(x.replace_dim(x.axis(self.outer_time), self.time))

    def _leaving(self, x: Tensor) -> Tensor:
        """An output as it is outside of the loop."""
        return self._turned(x).replace_dim(x.axis(self.time), self.outer_time) if x.has(self.time) else x

    def _turned(self, x: Tensor) -> Tensor:
        """For a loop that goes backward, a sequence from its end to its start."""
        if not self.reverse or not x.has(self.time):
            return x
        axis, lengths = x.axis(self.time), sizes.current().lengths(self.time)
        if lengths is None:
            return x.like(jnp.flip(x.data, axis))
        places = jnp.arange(x.shape[axis]).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
        ends = ops.aligned(lengths, x.dims)
        index = jnp.where(places < ends, ends - 1 - places, places)
        return x.like(jnp.take_along_axis(x.data, index, axis=axis))

    def result(self, back_prop: bool) -> Output:
        """What the loop gives."""
        graph, run, split = self.graph, self.run, self.split
        for key, x in self.frames.items():
            run.outputs[key] = Output(x if self.outer.network.padding == "legacy" else _clean(x, self.time))
        for key in split.before:
            self._whole(key)
        found = self._steps() if split.inside else {}
        run.outputs |= found
        for key in split.inside:
            if key in found and graph.nodes[key].get("loss") and run.flags.eval and not run.dry:
                add_loss(run.build(graph.nodes[key]), found[key])
        for key in split.after:
            self._whole(key)
        self.outer.params += run.params
        self.outer.constraints += run.constraints
        self.outer.losses.update(run.losses)
        start = graph.root.path
        subs = {k[len(start) :]: v for k, v in run.outputs.items() if k.startswith(start)}
        out = dataclasses.replace(run.outputs[f"{start}output"], subs=subs, state={}, extra=None)
        out = map_tensors(self._leaving, out)
        for dim, padded, lengths in self.new_lengths:
            sizes.current().declare(dim.root, padded, self._leaving(lengths))
        return out if back_prop else map_tensors(lambda x: ops.map1(jax.lax.stop_gradient, x), out)

    # Over all steps at once.

    def _whole(self, key: str) -> None:
        """Computes what is moved out of the loop."""
        run, graph = self.run, self.graph
        if key in run.outputs or key in graph.frames:
            return
        if key not in graph.previous:
            for needed in graph.nodes[key].deps:
                if needed in graph.previous:
                    self._whole(needed)
            run.compute(graph.nodes[key])
            return
        target = graph.previous[key]
        if run.outputs[target].tensor.has(
            self.outer_time
        ):  # what has the steps' dim is one of frames, if it has a step before
            run.outputs[target] = map_tensors(self._frames, run.outputs[target])
        x = run.outputs[target].tensor
        if not x.has(self.time):
            raise self.loop.error("unit", "…", f"'{target}' is the same in all steps; name it without 'prev:'")
        axis = x.axis(self.time)
        one = x.without(axis)
        shape = tuple(n for i, n in enumerate(x.shape) if i != axis)
        start = self._first_output(target, one.like(jnp.zeros(shape, x.dtype)))
        data = jnp.concatenate([jnp.expand_dims(start.data, axis), x.data], axis=axis)
        run.outputs[key] = Output(x.like(jax.lax.slice_in_dim(data, 0, x.shape[axis], axis=axis)))

    def _first_output(self, key: str, zeros: Tensor) -> Tensor:
        """What `prev:` of a layer is in the first step."""
        node = self.graph.nodes[key]
        ended = key == f"{self.graph.root.path}end" and node.get("initial_output") is None
        if ended:
            return zeros
        starts = node.get("initial_state") is not None and node.get("initial_output") is None
        if starts and hasattr(node.cls, "output_of_first_state"):
            found = self.run.build(node).output_of_first_state(zeros)
            return zeros.like(jnp.broadcast_to(ops.aligned(found, zeros.dims), zeros.shape))
        return first_output(
            self.run, node, zeros, self.forms.outputs if self.split.inside and hasattr(self, "forms") else {}
        )

    # Step by step.

    def _steps(self) -> dict[str, Output]:
        """Runs the layers inside; what is kept of them, over all steps."""
        graph, flags = self.graph, self.graph.flags
        self.chooser = [k for k in self.split.inside if graph.nodes[k].cls.chooses(graph.nodes[k], flags)]  # type: ignore[attr-defined]
        self.around = self.outer.beams.last
        outputs = {k: v for k, v in self.run.outputs.items() if k not in graph.previous or k in self.split.before}
        self.over = {k: v for k, v in outputs.items() if any(x.has(self.time) for x in tensors(v))}
        self.known = {k: v for k, v in outputs.items() if k not in self.over}
        self.arrays = {k: _in_front(v, self.time) for k, v in self.over.items()}
        self.lengths = sizes.current().over(self.time)  # of dims that are as long as the step says
        self.arrays[_LENGTHS] = [jnp.moveaxis(n.data, n.axis(self.time), 0) for n in self.lengths.values()]
        self.beam = self._beam_dim(self._likely_width()) if self.chooser else None
        self._find_forms()
        kept = self._kept()
        if self.outer.dry:
            if self.beam is not None:
                zeros = jnp.zeros((self.beam.size or 1, self._batch()))
                pointers = None if self.around is None else zeros.astype(jnp.int32)
                self.outer.beams.add(self.beam, Beam(self.around, pointers, zeros))
            return {k: self._stacked(k, self.forms.outputs[k]) for k in kept}
        return self._unfold(kept)

    def _width(self, beam: Dim | None) -> int:
        return 1 if beam is None else sizes.current().padded(beam)

    def _likely_width(self) -> int:
        """How many hypotheses there will be after a step, going by what the last choice says."""
        size = self.graph.nodes[self.chooser[-1]].get("beam_size")
        known = isinstance(size, int) and not isinstance(size, bool) and 0 < size < 10_000
        return max(self._width(self.around), size if known else 1)

    def _likely(self, key: str, x: Tensor) -> Tensor:
        """What the output of a layer may look like: that of a choice has a beam."""
        return expand(x, self.beam, self.beam.size or 1) if self.beam is not None and key in self.chooser else x

    def _beam_dim(self, size: int) -> Dim:
        return self.loop.new_dim("beam", size, BEAM, special=True)

    def _find_forms(self) -> None:
        for _ in range(3):
            self.forms = forms.find(
                self.graph, self.split.inside, lambda: self._step_run(0, None, None), self._label, self._likely
            )
            if self.beam is None:
                return
            made = self.forms.outputs[self.chooser[-1]].tensor.beam_dim
            size = max(self._width(self.around), 1 if made is None else sizes.current().padded(made))
            if self.beam.size == size:
                return
            self.beam = self._beam_dim(size)

    def _label(self, x: Tensor) -> Tensor:
        """A tensor of one step with the beam that it has in the next one, and room for all of its hypotheses."""
        if x.beam_dim is None or self.beam is None:
            return x
        x = beam_first(x)
        missing = (self.beam.size or 1) - x.shape[0]
        data = x.data
        if missing > 0:
            data = jnp.concatenate([data, jnp.broadcast_to(data[:1], (missing, *data.shape[1:]))])
        elif missing < 0:
            data = data[: self.beam.size]
        return x.replace_dim(0, self.beam).like(data)

    def _step_run(self, number: Any, carry: Carry | None, frames: Any) -> Run:
        """A pass over one step, with all that there is before its layers; without a carry, to look at forms only."""
        run = self._run()
        run.loop_time, run.loop_step, run.single_step = self.time, number, True
        run.loop_dim = self.outer_time
        run.layers = self.built
        run.outputs |= self.known
        slices = self._slices()
        frame = {k: map_tensors(_first_frame, v) if carry is None else _filled(v, frames[k]) for k, v in slices.items()}
        run.outputs |= frame
        self._tell_lengths(None if carry is None else frames[_LENGTHS])
        if carry is None:
            run.dry = True
        else:
            run.states = carry.states
            for key, target in self.graph.previous.items():
                if target in carry.outputs:
                    run.outputs[key] = Output(carry.outputs[target], state=carry.states.get(target, {}))
            for x in carry.outputs.values():
                run.learn(x)
        if self.beam is not None:
            self._start_search(run, carry, number)
        return run

    def _tell_lengths(self, frames: Any) -> None:
        """The lengths that dims have in this step, made before the loop for all steps, become known."""
        known = sizes.current()
        for i, (dim, lengths) in enumerate(self.lengths.items()):
            axis = lengths.axis(self.time)
            first = _Whole(lengths, self.time)[0] if frames is None else frames[i]
            known.declare(dim, known.padded(dim), lengths.without(axis).like(first))

    def _slices(self) -> dict[str, Output]:
        """The sequences as layers inside see them, with the array of the whole sequence."""
        return {
            k: map_tensors(
                lambda x: x.without(x.axis(self.time)).like(_Whole(x, self.time)) if x.has(self.time) else x, v
            )
            for k, v in self.over.items()
        }

    def _start_search(self, run: Run, carry: Carry | None, number: Any) -> None:
        assert self.beam is not None
        size, batch = self.beam.size or 1, self._batch()
        zeros = jnp.zeros((size, batch))
        state = carry.hypotheses if carry is not None else None
        if state is None:
            state = Hypotheses(zeros, zeros > 0, zeros.astype(jnp.int32), zeros.astype(jnp.int32))
        pointers = None if self.around is None else state.origin
        run.beams.add(self.beam, Beam(self.around, pointers, state.scores))
        live = jnp.where(jnp.asarray(number) == 0, min(self._width(self.around), size), size)
        run.search = SearchStep(Tensor(state.ended, (self.beam, batch_dim())), live)

    def _batch(self) -> Any:
        return sizes.current().padded(batch_dim())

    def _kept(self) -> list[str]:
        """The layers inside whose outputs are needed after the loop."""
        graph = self.graph
        wanted = {*graph.roots, *(d for k in self.split.after for d in graph.nodes[k].deps)}
        wanted |= {graph.previous[k] for k in {*wanted, *self.split.after} if k in graph.previous}
        targets = [
            t for k in graph.nodes for t in (graph.nodes[k].refs.get("target") or ()) if graph.nodes[k].get("loss")
        ]
        wanted |= {str(t) for t in targets if t is not None}
        for node in self.outer.graph.nodes.values():  # `rec/x`
            if node.class_name == "get_sub_layer" and self.loop.node.key in node.sources:
                wanted.add(f"{graph.root.path}{str(node.get('name')).partition('/')[0]}")
        return [k for k in self.split.inside if k in wanted and k not in graph.previous]

    def _carry(self) -> Carry:
        """What there is before the first step."""
        targets = {t for k, t in self.graph.previous.items() if k in self.split.inside and t in self.forms.outputs}
        outputs = {t: self._first_output(t, self._label(self.forms.zeros(t))) for t in sorted(targets)}
        states = {}
        for key, of in self.forms.states().items():
            layer = self.run.build(self.graph.nodes[key])
            given = layer.first_state({n: self._label(x) for n, x in of.items()})
            states[key] = {n: self._like(x, of[n]) for n, x in given.items()}
        return Carry(outputs, states, self._hypotheses())

    def _like(self, x: Tensor, like: Tensor) -> Tensor:
        like = self._label(like)
        x = relabel(x, self.beam) if self.beam is not None else x
        return like.like(jnp.broadcast_to(ops.aligned(x, like.dims), like.shape).astype(like.dtype))

    def _hypotheses(self) -> Hypotheses | None:
        batch = self._batch()
        if self.beam is None:
            if not self.graph.open_ended:
                return None
            end = self.forms.zeros(self._end)
            zeros = jnp.zeros(end.shape)
            return Hypotheses(zeros, zeros > 0, zeros.astype(jnp.int32), zeros.astype(jnp.int32))
        size = self.beam.size or 1
        index = jnp.arange(size, dtype=jnp.int32)[:, None]
        if self.around is None:
            base, width = jnp.zeros((1, batch)), 1
        else:
            base, width = self.outer.beams.get(self.around).scores, self._width(self.around)
        origin = jnp.broadcast_to(jnp.minimum(index, width - 1), (size, batch))
        scores = jnp.where(index < width, jnp.take_along_axis(base, jnp.minimum(origin, width - 1), axis=0), -jnp.inf)
        ended = jnp.zeros((size, batch), bool)
        return Hypotheses(scores.astype(jnp.float32), ended, ended.astype(jnp.int32), origin)

    @property
    def _end(self) -> str:
        return f"{self.graph.root.path}end"

    def _step(self, carry: Carry, number: Any, frames: Any) -> tuple[Carry, Any]:
        """One step."""
        with sizes.inner():
            run = self._step_run(number, carry, frames)
            for key in self.split.inside:
                if key not in self.graph.previous:
                    run.compute(self.graph.nodes[key])
            self._collect(run)
            last = run.beams.last if self.beam is not None else None
            hypotheses, pointers = self._ended(run, carry, last, number)

            def later(x: Tensor) -> Tensor:
                return self._label(run.beams.read(x, last)) if last is not None else x

            outputs = {k: self._like(later(run.outputs[k].tensor), x) for k, x in carry.outputs.items()}
            states = {
                k: {n: self._like(later(run.outputs[k].state[n]), x) for n, x in of.items()}
                for k, of in carry.states.items()
            }
            outputs, states = self._held(run, outputs, states, carry, later)
            new = Carry(outputs, states, hypotheses)
            kept = {k: map_tensors(later, _portable(run.outputs[k])) for k in self.kept}
            given = ({k: _data(v) for k, v in kept.items()}, pointers, self._new_lengths(kept, later))
            self.meta = {k: map_tensors(lambda x: x.like(None), v) for k, v in kept.items()}
        return self._masked(new, carry, number), given

    def _held(self, run: Run, outputs: Any, states: Any, old: Carry, later: Any) -> Any:
        """What layers under a mask give and keep stays as it was where they are masked."""
        for key in {*outputs, *states}:
            name = mask_around(self.graph.nodes[key])
            mask = None if name is None else run.outputs[name].tensor
            if mask is None or mask.time_axis is not None:
                continue
            keep = later(mask)

            def hold(new: Tensor, before: Tensor, keep: Tensor = keep) -> Tensor:
                before = later(before) if before.beam_dim is not None and self.beam is not None else before
                return new.like(jnp.where(ops.aligned(keep, new.dims), new.data, before.data))

            if key in outputs:
                outputs[key] = hold(outputs[key], old.outputs[key])
            if key in states:
                states[key] = {n: hold(x, old.states[key][n]) for n, x in states[key].items()}
        return outputs, states

    def _ended(self, run: Run, carry: Carry, last: Dim | None, number: Any) -> tuple[Hypotheses | None, Any]:
        """The hypotheses after the step, and the back pointers of the whole step."""
        old = carry.hypotheses
        if old is None:
            return None, None
        if last is None:
            end = ops.aligned(run.outputs[self._end].tensor, self.forms.outputs[self._end].tensor.dims)
            ended = old.ended | jnp.broadcast_to(end, old.ended.shape)
            return self._counted(old, ended), None
        assert self.beam is not None
        pointers = run.beams.pointers(last, self.beam)
        size, batch = self.beam.size or 1, old.ended.shape[1]
        if pointers is None:
            pointers = jnp.broadcast_to(jnp.arange(size, dtype=jnp.int32)[:, None], (size, batch))
        scores = run.beams.get(last).scores
        missing = size - pointers.shape[0]
        if missing:
            pointers = jnp.concatenate([pointers, jnp.zeros((missing, batch), pointers.dtype)])
            scores = jnp.concatenate([scores, jnp.full((missing, batch), -jnp.inf, scores.dtype)])

        def follow(x: Any) -> Any:
            return jnp.take_along_axis(x, pointers, axis=0)

        old = Hypotheses(scores.astype(jnp.float32), follow(old.ended), follow(old.lengths), follow(old.origin))
        ended = old.ended
        if self.graph.open_ended:
            over = self._label(run.beams.read(run.outputs[self._end].tensor, last))
            ended = ended | jnp.broadcast_to(ops.aligned(over, (self.beam, batch_dim())), ended.shape)
        else:
            ended = jnp.broadcast_to(self._behind(number + 1), ended.shape)
        return self._counted(old, ended), pointers

    def _behind(self, number: Any) -> Any:
        """Which sequences of known lengths were over before that step."""
        lengths = sizes.current().lengths(self.time)
        if lengths is None:
            return jnp.zeros((1, 1), bool)
        # RETURNN lets choices go on for one step beyond the end.
        late = 1 if self.outer.network.reuse == "legacy" and not self.loop.node.get("include_eos") else 0
        return (number >= ops.aligned(lengths, (batch_dim(),)) + late)[None]

    def _counted(self, old: Hypotheses, ended: Any) -> Hypotheses:
        over = old.ended if self.loop.node.get("include_eos") else ended
        return dataclasses.replace(old, ended=ended, lengths=old.lengths + ~over)

    def _masked(self, new: Carry, old: Carry, number: Any) -> Carry:
        """The carry of sequences that are over stays as it is."""
        lengths = sizes.current().lengths(self.time) if new.hypotheses is None else None
        if lengths is None:
            return new
        going = lengths.like(number < lengths.data)

        def choose(a: Tensor, b: Tensor) -> Tensor:
            return (
                a.like(jnp.where(ops.aligned(going, a.dims), a.data, b.data))
                if all(a.has(d) for d in going.dims)
                else a
            )

        outputs = {k: choose(x, old.outputs[k]) for k, x in new.outputs.items()}
        states = {k: {n: choose(x, old.states[k][n]) for n, x in of.items()} for k, of in new.states.items()}
        return Carry(outputs, states, None)

    def _collect(self, run: Run) -> None:
        """Parameters that the step asked for, and decay, count once for the whole loop."""
        self.run.params += [use for use in run.params if use not in self.run.params]
        decays = [term for term in run.constraints if isinstance(term, (Decay, DecayInside))]
        self.run.constraints += [term for term in decays if term not in self.run.constraints]

    def _new_lengths(self, kept: Mapping[str, Output], later: Any) -> list[Any]:
        """The lengths of dims that only a step knows of."""
        known, around = sizes.current(), self.sizes
        self.new_dims: list[tuple[Dim, int, Tensor]] = []
        found = []
        for dim in dict.fromkeys(d for x in tensors(kept) for d in x.dims if d.is_dynamic and not around.knows(d)):
            lengths = known.lengths(dim)
            if lengths is not None:
                lengths = later(lengths)
                self.new_dims.append((dim, known.padded(dim), lengths.like(None)))
                found.append(lengths.data)
        return found

    # All steps.

    def _unfold(self, kept: list[str]) -> dict[str, Output]:
        """Runs all steps; what is kept of them, stacked."""
        self.kept, known = kept, sizes.current()
        self.sizes, length = known, known.padded(self.time)
        carry = self._carry()
        if carry.hypotheses is None:
            _, (data, _, lengths) = over_frames(self._step, carry, self.arrays, length)
            return self._gathered(data, lengths, None)
        limit = loop_length.limit(self.loop, self.graph, self.time)
        gradients = self.outer.flags.train
        last, (data, pointers, lengths), n = until_ended(
            self._step, carry, self.arrays, limit, length, self._done(limit), gradients=gradients
        )
        found = last.hypotheses
        assert found is not None
        if not isinstance(n, jax.core.Tracer) and self.graph.open_ended:
            length = int(n)
            data, pointers, lengths = jax.tree.map(lambda x: x[:length], (data, pointers, lengths))
        path = None
        if self.beam is not None:
            start = jnp.broadcast_to(jnp.arange(self.beam.size or 1, dtype=jnp.int32)[:, None], found.scores.shape)
            path, _ = trace_back(pointers, n, start)
            origin = None if self.around is None else found.origin
            final = Beam(self.around, origin, self._final_scores(found))
            self.outer.beams.add(self.beam, final)
            self.run.beams.add(self.beam, final)
        if self.graph.open_ended:
            dims = (self.beam, batch_dim()) if self.beam is not None else self.forms.outputs[self._end].tensor.dims
            for dim in (self.time, self.outer_time):
                known.declare(dim, length, Tensor(found.lengths, dims))
        return self._gathered(data, lengths, path)

    def _done(self, limit: Any) -> Any:
        """When the search is over: when all hypotheses have ended.

        Where only the best one is asked for, it is over when no other one can become better than the best of those that
        have ended: scores of labels are not positive, and dividing by lengths helps those most that end last.
        """
        if not self._only_the_best():
            return lambda carry, t: jnp.all(carry.hypotheses.ended)
        node = self.graph.nodes[self.chooser[-1]]
        exponent = node.get("length_normalization_exponent", 1.0) if node.get("length_normalization", True) else 0.0

        def done(carry: Carry, t: Any) -> Any:
            found = carry.hypotheses
            assert found is not None
            best = jnp.max(jnp.where(found.ended, found.scores, -jnp.inf), axis=0)
            bonus = (jnp.maximum(limit, 1) / jnp.maximum(t, 1)) ** exponent
            running = jnp.max(jnp.where(found.ended, -jnp.inf, found.scores), axis=0)
            return jnp.all(jnp.all(found.ended, axis=0) | (running < best * bonus))

        return done

    def _only_the_best(self) -> bool:
        """Whether nothing but `decide` reads what was found, and scores of hypotheses only fall."""
        run, key = self.outer, self.loop.node.key
        if run.outer is not None or key in run.wanted or len(self.chooser) != 1 or not self.graph.open_ended:
            return False
        users = [n for n in run.graph.nodes.values() if any(d == key or d.startswith(f"{key}/") for d in n.deps)]
        node = self.graph.nodes[self.chooser[0]]
        if node.class_name != "choice" or any(u.class_name != "decide" for u in users):
            return False
        source = self.graph.nodes.get(node.sources[0]) if len(node.sources) == 1 else None
        sure = source is not None and (source.class_name == "softmax" or source.get("activation") in _PROBABILITIES)
        sure = sure or node.get("input_type") == "logits"
        plain = [node.get("prob_scale", 1.0) >= 0, node.get("base_beam_score_scale", 1.0) == 1.0]
        odd = ("random_sample_scale", "custom_score_combine", "cheating", "keep_beams")
        lengths = [u.get("length_normalization") for u in users]
        return sure and all(plain) and not any(node.get(o) for o in odd) and not any(lengths)

    def _final_scores(self, found: Hypotheses) -> Any:
        """The scores when the search is over: divided by the number of steps where lengths are normalised."""
        node = self.graph.nodes[self.chooser[-1]]
        if node.class_name != "choice" or node.get("length_normalization", True) is False:
            return found.scores
        lengths = None if self.graph.open_ended else sizes.current().lengths(self.time)
        longest = jnp.max(found.lengths if lengths is None else lengths.data, initial=0)
        end = 0 if self.loop.node.get("include_eos") else 1
        return found.scores / jnp.maximum(longest + end, 1).astype(jnp.float32)

    def _gathered(self, data: Any, lengths: list[Any], path: Any) -> dict[str, Output]:
        known = sizes.current()

        def resolve(x: Tensor, array: Any) -> Tensor:
            if path is None or x.beam_dim is None:
                return x.stacked(self.time, array, as_time=True)
            steps = jax.vmap(lambda a, i: select(x.like(a), i, self.beam).data)  # type: ignore[arg-type]
            return x.stacked(self.time, steps(array, path), as_time=True)

        for (dim, padded, like), array in zip(self.new_dims, lengths, strict=True):
            self.new_lengths.append((dim, padded, resolve(like, array)))
            known.declare(*self.new_lengths[-1])
        return {k: _refilled(self.meta[k], v, resolve) for k, v in data.items()}

    def _stacked(self, key: str, form: Output) -> Output:
        """A form over all steps, with placeholders."""
        n = sizes.current().padded(self.time)

        def whole(x: Tensor) -> Tensor:
            x = self._label(x.like(jnp.zeros(x.shape, x.dtype)))
            return x.stacked(self.time, jnp.broadcast_to(x.data, (n, *x.shape)), as_time=True)

        return map_tensors(whole, _portable(form))


_LENGTHS = ":lengths"
_PROBABILITIES = ("softmax", "log_softmax")


class _Whole:
    """The array of a sequence, of which `[0]` is the first frame."""

    def __init__(self, x: Tensor, time: Dim):
        self.data, self.axis = x.data, x.axis(time)
        self.shape = tuple(n for i, n in enumerate(x.shape) if i != self.axis)
        self.dtype = x.dtype

    def __getitem__(self, index: int) -> Any:
        if not self.data.shape[self.axis]:
            return jnp.zeros(self.shape, self.dtype)
        return jax.lax.index_in_dim(self.data, index, self.axis, keepdims=False)


def _first_frame(x: Tensor) -> Tensor:
    return x.like(x.data[0]) if isinstance(x.data, _Whole) else x


def _clean(x: Tensor, time: Dim) -> Tensor:
    """Zeros for frames beyond the end, so that whatever stands there reaches no gradient."""
    return ops.masked(x, time, 0) if jnp.issubdtype(x.dtype, jnp.floating) else x


def _arrays(out: Output) -> Iterator[Tensor]:
    yield from tensors(out)


def _in_front(out: Output, time: Dim) -> list[Any]:
    """The arrays of an output that have a time axis, with that axis in front."""
    return [jnp.moveaxis(x.data, x.axis(time), 0) for x in _arrays(out) if x.has(time)]


def _filled(out: Output, frames: list[Any]) -> Output:
    """An output of one step whose tensors that come from sequences get their frames."""
    values = iter(frames)
    return map_tensors(lambda x: x.like(next(values)) if isinstance(x.data, _Whole) else x, out)


def _portable(out: Output) -> Output:
    """What of an output can leave a step: tensors, and no values of other kinds."""
    extra = out.extra if is_tensor(out.extra) else None
    state = {k: x for k, x in out.state.items() if is_tensor(x) and x.ndim <= out.tensor.ndim}
    subs = {k: _portable(v) for k, v in out.subs.items()}
    return dataclasses.replace(out, extra=extra, subs=subs, state=state)


def _data(out: Output) -> list[Any]:
    return [x.data for x in tensors(out)]


def _refilled(like: Output, data: list[Any], resolve: Any) -> Output:
    values = iter(data)
    return map_tensors(lambda x: resolve(x, next(values)), like)


__all__ = ["Loop", "SearchStep", "expand"]
