"""The layers of a loop's body that run step by step."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from tenure.network import forms, loop_length, ops, sizes
from tenure.network.beams import Beam, relabel, select
from tenure.network.constraints import Decay, DecayInside
from tenure.network.dims import BEAM, Dim, batch_dim
from tenure.network.layers.loop_compaction import Sequences
from tenure.network.layers.loop_compaction import times as compaction_times
from tenure.network.layers.loop_frames import Whole, arrays, filled, first_frame, in_front, portable, refilled
from tenure.network.layers.loop_pass import Pass
from tenure.network.layers.loop_search import Search
from tenure.network.loop import masks_around
from tenure.network.output import Output, map_tensors, tensors
from tenure.network.run import Run
from tenure.network.steps import Carry, over_frames, trace_back, until_ended
from tenure.network.tensor import Tensor

_LENGTHS = ":lengths"
STEPWISE, TARGETS = ":steps of ", ":targets of "
"""Before the key of a layer whose hypotheses are those of each step, and not the ones that the last step leads back to."""


class Steps:
    """What runs step by step in one pass of a loop.

    Attributes:
      of: the pass.
      search: the loop's hypotheses.
      forms: the form of everything that a step gives; known once `result` has found it.
    """

    def __init__(self, of: Pass):
        self.of, self.loop, self.graph, self.split = of, of.loop, of.graph, of.split
        self.run, self.outer, self.time, self.outer_time = of.run, of.outer, of.time, of.outer_time
        self.forms = forms.Forms({})
        self.search = Search(of)

    def result(self) -> dict[str, Output]:
        """Runs the layers inside; what is kept of them, over all steps."""
        graph = self.graph
        outputs = {k: v for k, v in self.run.outputs.items() if k not in graph.previous or k in self.split.before}
        self.look(outputs)
        self._find_forms()
        kept = self._kept()
        if self.outer.dry:
            if self.search.beam is not None:
                zeros = jnp.zeros((self.search.beam.size or 1, self.search.batch()))
                pointers = None if self.search.around is None else zeros.astype(jnp.int32)
                self.outer.beams.add(self.search.beam, Beam(self.search.around, pointers, zeros))
                self._know_kept(zeros)
            return {k: self._stacked(k, self.forms.outputs[k]) for k in kept}
        return self._unfold(kept)

    def look(self, outputs: Mapping[str, Output]) -> None:
        """Tells what there is before the steps: as a whole, and as frames of them."""
        self.over = {k: v for k, v in outputs.items() if any(x.has(self.time) for x in tensors(v))}
        self.known = {k: v for k, v in outputs.items() if k not in self.over}
        self.arrays = {k: in_front(v, self.time) for k, v in self.over.items()}
        self.lengths = sizes.current().over(self.time)  # of dims that are as long as the step says
        self.arrays[_LENGTHS] = [jnp.moveaxis(n.data, n.axis(self.time), 0) for n in self.lengths.values()]

    def _find_forms(self) -> None:
        for _ in range(3):
            self.forms = forms.find(
                self.graph,
                self.split.inside,
                lambda: self._step_run(0, None, None),
                self.search.label,
                self.search.likely,
            )
            self.of.forms = self.forms.outputs
            if self.search.beam is None:
                return
            made = self.forms.outputs[self.search.chooser[-1]].tensor.beam_dim
            size = max(self.search.width(self.search.around), 1 if made is None else sizes.current().padded(made))
            if self.search.beam.size == size:
                return
            self.search.beam = self.search.beam_dim(size)

    def _step_run(self, number: Any, carry: Carry | None, frames: Any) -> Run:
        """A pass over one step, with all that there is before its layers; without a carry, to look at forms only."""
        run = self.of.step_run()
        run.loop_time, run.loop_step, run.single_step = self.time, number, True
        run.loop_dim = self.outer_time
        run.layers = self.of.built
        run.outputs |= self.known
        slices = self._slices()
        frame = {k: map_tensors(first_frame, v) if carry is None else filled(v, frames[k]) for k, v in slices.items()}
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
        if self.search.beam is not None:
            self.search.start(run, carry, number)
        return run

    def _tell_lengths(self, frames: Any) -> None:
        """The lengths that dims have in this step, made before the loop for all steps, become known."""
        known = sizes.current()
        for i, (dim, lengths) in enumerate(self.lengths.items()):
            axis = lengths.axis(self.time)
            first = Whole(lengths, self.time)[0] if frames is None else frames[i]
            known.declare(dim, known.padded(dim), lengths.without(axis).like(first))

    def _slices(self) -> dict[str, Output]:
        """The sequences as layers inside see them, with the array of the whole sequence."""
        return {
            k: map_tensors(
                lambda x: x.without(x.axis(self.time)).like(Whole(x, self.time)) if x.has(self.time) else x, v
            )
            for k, v in self.over.items()
        }

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
        outputs = {t: self.of.first_output(t, self.search.label(self.forms.zeros(t))) for t in sorted(targets)}
        states = {}
        for key, of in self.forms.states().items():
            layer = self.run.build(self.graph.nodes[key])
            given = layer.first_state({n: self.search.label(x) for n, x in of.items()})
            states[key] = {n: self._like(x, of[n]) for n, x in given.items()}
        return Carry(outputs, states, self.search.first(self.forms))

    def _like(self, x: Tensor, like: Tensor) -> Tensor:
        like = self.search.label(like)
        x = relabel(x, self.search.beam) if self.search.beam is not None else x
        return like.like(jnp.broadcast_to(ops.aligned(x, like.dims), like.shape).astype(like.dtype))

    def step(self, carry: Carry, number: Any, frames: Any) -> tuple[Carry, Any]:
        """One step."""
        with sizes.inner():
            run = self._step_run(number, carry, frames)
            for key in self.split.inside:
                if key not in self.graph.previous:
                    run.compute(self.graph.nodes[key])
            self._collect(run)
            last = run.beams.last if self.search.beam is not None else None
            hypotheses, pointers = self.search.after(run, carry, last, number, self.forms)

            def later(x: Tensor) -> Tensor:
                return self.search.label(run.beams.read(x, last)) if last is not None else x

            outputs = {k: self._like(later(run.outputs[k].tensor), x) for k, x in carry.outputs.items()}
            states = {
                k: {n: self._like(later(run.outputs[k].state[n]), x) for n, x in of.items()}
                for k, of in carry.states.items()
            }
            outputs, states = self._held(run, outputs, states, carry, later)
            new = Carry(outputs, states, hypotheses)
            kept = {k: map_tensors(later, portable(run.outputs[k])) for k in self.kept} | self._with_losses(run)
            given = ({k: arrays(v) for k, v in kept.items()}, pointers, self._new_lengths(kept, later))
            self.meta = {k: map_tensors(lambda x: x.like(None), v) for k, v in kept.items()}
        return self._masked(new, carry, number), given

    def _with_losses(self, run: Run) -> dict[str, Output]:
        """What losses count of, and their targets: the hypotheses that there are in the step, whether they go on or not."""
        if self.search.beam is None or not self.graph.counts_losses:
            return {}
        found = {}
        for key in (k for k in self.kept if self.graph.nodes[k].get("loss")):
            parts = {f"{STEPWISE}{key}": run.outputs[key]}
            targets = [t for t in self.graph.nodes[key].refs.get("target") or () if t in self.split.inside]
            parts |= {f"{TARGETS}{key}": run.outputs[t] for t in targets if t not in self.graph.previous}
            of = run.beams.latest(x.tensor.beam_dim for x in parts.values())
            if of is None or run.outputs[key].tensor.beam_dim is None:
                continue
            dim = self.loop.new_dim(f"beam of '{key}'", sizes.current().padded(of), BEAM, special=True)
            for name, x in parts.items():
                found[name] = map_tensors(functools.partial(relabel, dim=dim), run.beams.read_all(portable(x), of))
        return found

    def _held(self, run: Run, outputs: Any, states: Any, old: Carry, later: Any) -> Any:
        """What layers under a mask give and keep stays as it was where they are masked."""
        for key in {*outputs, *states}:
            masks = [run.outputs[name].tensor for name in masks_around(self.graph.nodes[key])]
            for mask in (later(m) for m in masks if m.time_axis is None):

                def hold(new: Tensor, before: Tensor, keep: Tensor = mask) -> Tensor:
                    before = later(before) if before.beam_dim is not None and self.search.beam is not None else before
                    return new.like(jnp.where(ops.aligned(keep, new.dims), new.data, before.data))

                if key in outputs:
                    outputs[key] = hold(outputs[key], old.outputs[key])
                if key in states:
                    states[key] = {n: hold(x, old.states[key][n]) for n, x in states[key].items()}
        return outputs, states

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

    def _unfold(self, kept: list[str]) -> dict[str, Output]:
        """Runs all steps; what is kept of them, stacked."""
        self.kept, known = kept, sizes.current()
        self.sizes, length = known, known.padded(self.time)
        carry = self._carry()
        if carry.hypotheses is None:
            last, (data, _, lengths) = over_frames(self.step, carry, self.arrays, length, remat=self.of.remat)
            for key, state in last.states.items():
                self.run.build(self.graph.nodes[key]).after_loop(state, self.time)
            return self._gathered(data, lengths, None)
        limit = loop_length.limit(self.loop, self.graph, self.time)
        gradients = self.outer.flags.train
        last, (data, pointers, lengths), n, ends = until_ended(
            Sequences(self, compaction_times(self)),
            carry,
            limit,
            length,
            self.search.done(limit),
            gradients=gradients,
            remat=self.of.remat,
        )
        found = last.hypotheses
        assert found is not None
        if not isinstance(n, jax.core.Tracer) and self.graph.open_ended:
            length = int(n)
            data, pointers, lengths = jax.tree.map(lambda x: x[:length], (data, pointers, lengths))
        path = None
        if self.search.beam is not None:
            start = jnp.broadcast_to(
                jnp.arange(self.search.beam.size or 1, dtype=jnp.int32)[:, None], found.scores.shape
            )
            path, _ = trace_back(pointers, ends, start)
            origin = None if self.search.around is None else found.origin
            final = Beam(self.search.around, origin, self.search.final_scores(found))
            self.outer.beams.add(self.search.beam, final)
            self.run.beams.add(self.search.beam, final)
            self._know_kept(final.scores)
        if self.graph.open_ended:
            dims = (
                (self.search.beam, batch_dim())
                if self.search.beam is not None
                else self.forms.outputs[self.search.end].tensor.dims
            )
            for dim in (self.time, self.outer_time):
                known.declare(dim, length, Tensor(found.lengths, dims))
        return self._gathered(data, lengths, path)

    def _know_kept(self, scores: Any) -> None:
        """The hypotheses that stay as they are in each step are known outside of the loop, too."""
        for x in tensors(self.forms.outputs):
            if x.beam_dim is not None and self.search.is_kept(x.beam_dim):
                size = sizes.current().padded(x.beam_dim)
                own = scores if size == scores.shape[0] else jnp.zeros((size, scores.shape[1]))
                self.outer.beams.put(x.beam_dim, Beam(None, None, own, decided=True))

    def _gathered(self, data: Any, lengths: list[Any], path: Any) -> dict[str, Output]:
        known = sizes.current()

        def resolve(x: Tensor, array: Any) -> Tensor:
            if path is None or x.beam_dim != self.search.beam:
                return x.stacked(self.time, array, as_time=True)
            steps = jax.vmap(lambda a, i: select(x.like(a), i, self.search.beam).data)  # type: ignore[arg-type]
            return x.stacked(self.time, steps(array, path), as_time=True)

        for (dim, padded, like), array in zip(self.new_dims, lengths, strict=True):
            self.of.new_lengths.append((dim, padded, resolve(like, array)))
            known.declare(*self.of.new_lengths[-1])
        return {k: refilled(self.meta[k], v, resolve) for k, v in data.items()}

    def _stacked(self, key: str, form: Output) -> Output:
        """A form over all steps, with placeholders."""
        n = sizes.current().padded(self.time)

        def whole(x: Tensor) -> Tensor:
            x = self.search.label(x.like(jnp.zeros(x.shape, x.dtype)))
            return x.stacked(self.time, jnp.broadcast_to(x.data, (n, *x.shape)), as_time=True)

        return map_tensors(whole, portable(form))
