"""Layers about the hypotheses of a search, as far as they mean something without one."""

from __future__ import annotations

from collections.abc import Sequence

from tenure.network.dims import Dim
from tenure.network.layer import Layer, layer
from tenure.network.output import Output
from tenure.network.tensor import Tensor


@layer("decide_keep_beam")
class DecideKeepBeam(Layer):
    """The input with all its hypotheses, if any, which from here on are no longer those of a running search."""

    def forward(
        self, sources: Sequence[Tensor], *, search: bool | None = None, add_to_beam_scores: bool = False
    ) -> Output:
        if len(sources) != 1:
            raise self.error("from", self.node.get("from"), "exactly one input is needed")
        return Output(sources[0], choices=self.run.outputs[self.node.sources[0]].choices)


@layer("split_batch_beam")
class SplitBatchBeam(Layer):
    """The batch of hypotheses split into the batch and a dim of the hypotheses."""

    def forward(self, sources: Sequence[Tensor], *, beam_dim: Dim | None = None) -> Tensor:
        if len(sources) != 1 or sources[0].beam is None or sources[0].batch_axis is None:
            raise self.error(
                "from", self.node.get("from"), "there are no hypotheses of a search", ["'only_on_search': True"]
            )
        x = sources[0].batch_first()
        beam = beam_dim if beam_dim is not None else self.new_dim("beam", x.beam)
        if beam.root.size != x.beam:
            raise self.error("beam_dim", beam_dim, f"the beam has {x.beam} hypotheses")
        data = x.data.reshape(-1, x.beam, *x.shape[1:])
        return x.with_dims(data, (x.dims[0], beam, *x.dims[1:]), origin=[0, None, *range(1, x.ndim)]).like(
            data, beam=None
        )
