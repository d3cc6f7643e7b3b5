"""Layers about the hypotheses of a search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from tenure.network import sizes
from tenure.network.beams import Beam, beam_first, expand, relabel, select
from tenure.network.dims import BEAM, Dim, batch_dim
from tenure.network.layer import Layer, layer
from tenure.network.layers.choice import best_hypothesis
from tenure.network.layers.loop_search import KEPT
from tenure.network.output import Output
from tenure.network.tensor import Tensor


class _OfBeams(Layer):
    """A layer that sees hypotheses."""

    stepwise = True
    sees_beams = True

    def one(self, sources: Sequence[Tensor]) -> Tensor:
        """The only input."""
        if len(sources) != 1:
            raise self.error("from", self.node.get("from"), "exactly one input is needed")
        return sources[0]

    def hypotheses(self, x: Tensor) -> tuple[Dim, Beam]:
        """The beam of the input.

        Raises:
          OptionError: nothing was searched for it.
        """
        dim = x.beam_dim
        if dim is None:
            raise self.error(
                "from", self.node.get("from"), "there are no hypotheses of a search", ["'only_on_search': True"]
            )
        return dim, self.run.beams.get(dim)


@layer("decide")
class Decide(_OfBeams):
    """The best hypothesis of a search; the input where nothing was searched. Input [beam, B, …], output [B, …].

    What it gives beside its output is the score of the best hypothesis [B], for the loss `search_score`.
    """

    def forward(
        self,
        sources: Sequence[Tensor],
        *,
        length_normalization: bool = False,
        search: Any = None,
        add_to_beam_scores: Any = None,
    ) -> Output:
        x = self.one(sources)
        if x.beam_dim is None:
            return Output(x.batch_first())
        dim, beam = self.hypotheses(x)
        scores = beam.scores
        if length_normalization and x.time_dim is not None:
            lengths = sizes.current().lengths(x.time_dim)
            n = x.shape[x.time_axis or 0] if lengths is None else expand(lengths, dim, scores.shape[0]).data
            scores = scores / jnp.asarray(n, jnp.float32)
        best = best_hypothesis(scores)[None]
        one = self.new_dim("best", 1, BEAM, special=True)

        def chosen(y: Tensor) -> Tensor:
            y = select(y, best, one)
            return y.without(0).like(y.data[0])

        found = chosen(x)
        for axis, of in enumerate(found.dims):
            lengths = sizes.current().lengths(of) if of.is_dynamic else None
            if lengths is not None and lengths.has(dim):
                time = self.new_dim(f"time{axis}", None)
                sizes.current().declare(time, found.shape[axis], chosen(lengths))
                found = found.replace_dim(axis, time)
        return Output(found.batch_first(), extra=Tensor(jnp.max(scores, axis=0), (batch_dim(),)))


@layer("decide_keep_beam")
class DecideKeepBeam(_OfBeams):
    """The input with all its hypotheses, if any, which from here on are no longer those of a running search.

    Input [beam, B, …], output the same axes.
    """

    def forward(
        self,
        sources: Sequence[Tensor],
        *,
        beam_size: int | None = None,
        search: bool | None = None,
        add_to_beam_scores: bool = False,
    ) -> Tensor:
        x = self.one(sources)
        if x.beam_dim is None or not self.run.single_step:
            return x
        dim = self.new_dim(KEPT, sizes.current().padded(x.beam_dim), BEAM, special=True)
        beams = self.run.beams
        old = beams.get(x.beam_dim)
        index = jnp.broadcast_to(jnp.arange(old.scores.shape[0], dtype=jnp.int32)[:, None], old.scores.shape)
        beams.put(dim, Beam(x.beam_dim, index, old.scores, decided=True))
        return relabel(x, dim)


@layer("choice_get_beam_scores")
class BeamScores(_OfBeams):
    """The scores of the input's hypotheses: logarithms of their probabilities [beam, B]."""

    def forward(self, sources: Sequence[Tensor]) -> Tensor:
        if not self.run.flags.search:  # the target is the only hypothesis
            return Tensor(jnp.zeros(sizes.current().padded(batch_dim())), (batch_dim(),))
        dim, beam = self.hypotheses(self.one(sources))
        return Tensor(beam.scores, (dim, batch_dim()))


@layer("choice_get_src_beams")
class SourceBeams(_OfBeams):
    """Which hypothesis of the step before each of the input's continues [beam, B]."""

    def forward(self, sources: Sequence[Tensor]) -> Tensor:
        if not self.run.flags.search:
            return Tensor(jnp.zeros(sizes.current().padded(batch_dim()), jnp.int32), (batch_dim(),))
        dim, beam = self.hypotheses(self.one(sources))
        pointers = jnp.zeros(beam.scores.shape, jnp.int32) if beam.pointers is None else beam.pointers
        return Tensor(pointers, (dim, batch_dim()))


@layer("split_batch_beam")
class SplitBatchBeam(_OfBeams):
    """The dim of the hypotheses as an ordinary dim after the batch. Input [beam, B, …], output [B, beam, …]."""

    def forward(self, sources: Sequence[Tensor], *, beam_dim: Dim | None = None) -> Tensor:
        x = self.one(sources)
        dim, _ = self.hypotheses(x)
        size = sizes.current().padded(dim)
        out = beam_dim if beam_dim is not None else self.new_dim("beam", size, auto=True)
        if not isinstance(out, Dim) or out.root.size != size:
            raise self.error("beam_dim", beam_dim, f"the beam has {size} hypotheses")
        return beam_first(x).replace_dim(0, out).move_axis(0, 1)
