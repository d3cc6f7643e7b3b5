"""What a loop's steps know of hypotheses: the beam's dim, scores, who has ended, and when the search is over."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from tenure.network import ops, sizes
from tenure.network.beams import Beam, beam_first, expand
from tenure.network.dims import BEAM, Dim, batch_dim
from tenure.network.forms import Forms
from tenure.network.layers.loop_pass import Pass
from tenure.network.output import tensors
from tenure.network.run import Run
from tenure.network.steps import Carry, Hypotheses
from tenure.network.tensor import Tensor

KEPT = "kept"  # the role of such dims
_PROBABILITIES = ("softmax", "log_softmax")


@dataclasses.dataclass(frozen=True)
class SearchStep:
    """What choices need of the step before.

    Attributes:
      ended: which hypotheses of the loop's beam have ended, a tensor.
      live: how many hypotheses of the loop's beam there are; the others are placeholders in the first step.
    """

    ended: Tensor
    live: Any


class Search:
    """The hypotheses of a loop; there are none where nothing chooses.

    Attributes:
      chooser: the layers inside that choose, in their order.
      around: the beam of a search around the loop, which this one continues.
      beam: the dim of the hypotheses after a step; None where nothing chooses.
    """

    def __init__(self, of: Pass):
        self.loop, self.graph, self.outer, self.time = of.loop, of.graph, of.outer, of.time
        nodes, flags = self.graph.nodes, self.graph.flags
        self.chooser = [k for k in of.split.inside if nodes[k].cls.chooses(nodes[k], flags)]  # type: ignore[attr-defined]
        self.around = self._around(of)
        self.beam: Dim | None = self.beam_dim(self.likely_width()) if self.chooser else None

    def _around(self, of: Pass) -> Dim | None:
        """The hypotheses that a step of a loop around has, or those of what the loop is given; no other search is continued."""
        outer, beams = of.outer, of.outer.beams
        if outer.single_step or beams.last is None:
            return beams.last
        given = [outer.outputs[key] for key in (*of.graph.imports, *of.loop.node.sources) if key in outer.outputs]
        found = {x.beam_dim for out in given for x in tensors(out)}
        return beams.latest(d for d in found if d is not None and not beams.get(d).decided)

    def width(self, beam: Dim | None) -> int:
        """How many hypotheses a beam has."""
        return 1 if beam is None else sizes.current().padded(beam)

    def likely_width(self) -> int:
        """How many hypotheses there will be after a step, going by what the last choice says."""
        size = self.graph.nodes[self.chooser[-1]].get("beam_size")
        known = isinstance(size, int) and not isinstance(size, bool) and 0 < size < 10_000
        return max(self.width(self.around), size if known else 1)

    def likely(self, key: str, x: Tensor) -> Tensor:
        """What the output of a layer may look like: that of a choice has a beam."""
        return expand(x, self.beam, self.beam.size or 1) if self.beam is not None and key in self.chooser else x

    def beam_dim(self, size: int) -> Dim:
        """The dim of so many hypotheses."""
        return self.loop.new_dim("beam", size, BEAM, special=True)

    def label(self, x: Tensor) -> Tensor:
        """A tensor of one step with the beam that it has in the next one, and room for all of its hypotheses."""
        if x.beam_dim is None or self.beam is None or self.is_kept(x.beam_dim):
            return x
        x = beam_first(x)
        missing = (self.beam.size or 1) - x.shape[0]
        data = x.data
        if missing > 0:
            data = jnp.concatenate([data, jnp.broadcast_to(data[:1], (missing, *data.shape[1:]))])
        elif missing < 0:
            data = data[: self.beam.size]
        return x.replace_dim(0, self.beam).like(data)

    def is_kept(self, dim: Dim) -> bool:
        """Whether the hypotheses are those of a `decide_keep_beam`, which stay as they are."""
        made = self.outer.network.dims.items()
        return any(of is dim for (_, role, *_), of in made if role == KEPT)

    def start(self, run: Run, carry: Carry | None, number: Any) -> None:
        """Tells the layers of a step what the hypotheses were before it."""
        assert self.beam is not None
        size, batch = self.beam.size or 1, self.batch()
        zeros = jnp.zeros((size, batch))
        state = carry.hypotheses if carry is not None else None
        if state is None:
            state = Hypotheses(zeros, zeros > 0, zeros.astype(jnp.int32), zeros.astype(jnp.int32))
        pointers = None if self.around is None else state.origin
        run.beams.add(self.beam, Beam(self.around, pointers, state.scores))
        live = jnp.where(jnp.asarray(number) == 0, min(self.width(self.around), size), size)
        run.search = SearchStep(Tensor(state.ended, (self.beam, batch_dim())), live)

    def batch(self) -> Any:
        """How many sequences there are."""
        return sizes.current().padded(batch_dim())

    def first(self, forms: Forms) -> Hypotheses | None:
        """The hypotheses before the first step; None if there is nothing to know."""
        batch = self.batch()
        if self.beam is None:
            if not self.graph.open_ended:
                return None
            zeros = jnp.zeros(self._over(forms.zeros(self.end)).shape)
            return Hypotheses(zeros, zeros > 0, zeros.astype(jnp.int32), zeros.astype(jnp.int32))
        size = self.beam.size or 1
        index = jnp.arange(size, dtype=jnp.int32)[:, None]
        if self.around is None:
            base, width = jnp.zeros((1, batch)), 1
        else:
            base, width = self.outer.beams.get(self.around).scores, self.width(self.around)
        origin = jnp.broadcast_to(jnp.minimum(index, width - 1), (size, batch))
        scores = jnp.where(index < width, jnp.take_along_axis(base, jnp.minimum(origin, width - 1), axis=0), -jnp.inf)
        ended = jnp.zeros((size, batch), bool)
        return Hypotheses(scores.astype(jnp.float32), ended, ended.astype(jnp.int32), origin)

    @property
    def end(self) -> str:
        """The key of the layer that says who has ended."""
        return f"{self.graph.root.path}end"

    @staticmethod
    def _over(end: Tensor) -> Tensor:
        """What the layer `end` gives, without features of size 1."""
        axis = end.feature_axis
        if axis is None or end.dims[axis].root.size != 1:
            return end
        rest = end.without(axis)
        return rest if end.data is None else rest.like(jnp.squeeze(end.data, axis))

    def after(
        self, run: Run, carry: Carry, last: Dim | None, number: Any, forms: Forms
    ) -> tuple[Hypotheses | None, Any]:
        """The hypotheses after the step, and the back pointers of the whole step."""
        old = carry.hypotheses
        if old is None:
            return None, None
        if last is None:
            wanted = self._over(forms.outputs[self.end].tensor).dims
            end = ops.aligned(self._over(run.outputs[self.end].tensor), wanted)
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
            over = self.label(run.beams.read(self._over(run.outputs[self.end].tensor), last))
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

    def done(self, limit: Any) -> Any:
        """When the search of each sequence is over: when all its hypotheses have ended.

        Where only the best one is asked for, it is over when no other one can become better than the best of those that
        have ended: scores of labels are not positive, and dividing by lengths helps those most that end last.
        """
        if not self.only_the_best():
            return lambda carry, t: (
                carry.hypotheses.ended if self.beam is None else jnp.all(carry.hypotheses.ended, axis=0)
            )
        node = self.graph.nodes[self.chooser[-1]]
        exponent = node.get("length_normalization_exponent", 1.0) if node.get("length_normalization", True) else 0.0

        def done(carry: Carry, t: Any) -> Any:
            found = carry.hypotheses
            assert found is not None
            best = jnp.max(jnp.where(found.ended, found.scores, -jnp.inf), axis=0)
            bonus = (jnp.maximum(limit, 1) / jnp.maximum(t, 1)) ** exponent
            running = jnp.max(jnp.where(found.ended, -jnp.inf, found.scores), axis=0)
            return jnp.all(found.ended, axis=0) | (running < best * bonus)

        return done

    def only_the_best(self) -> bool:
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

    def final_scores(self, found: Hypotheses) -> Any:
        """The scores when the search is over: divided by the number of steps where lengths are normalised."""
        node = self.graph.nodes[self.chooser[-1]]
        if node.class_name != "choice" or node.get("length_normalization", True) is False:
            return found.scores
        lengths = None if self.graph.open_ended else sizes.current().lengths(self.time)
        longest = jnp.max(found.lengths if lengths is None else lengths.data, initial=0)
        end = 0 if self.loop.node.get("include_eos") else 1
        return found.scores / jnp.maximum(longest + end, 1).astype(jnp.float32)
