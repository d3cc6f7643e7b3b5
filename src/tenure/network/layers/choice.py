"""Choices: labels that a loop feeds back. In training the target's, in search the best ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from tenure.network.graph import Graph, Node
from tenure.network.layer import Layer, layer
from tenure.network.output import Output
from tenure.network.tensor import Tensor


@layer("choice")
class Choice(Layer):
    """The target's label, or in search the most probable one.

    Search is greedy so far: a beam of one hypothesis.
    """

    @classmethod
    def expand(cls, graph: Graph, node: Node) -> None:
        if not graph.flags.search:
            node.options["from"] = []  # what the labels are is known: scores need not be computed for them

    def forward(
        self,
        sources: Sequence[Tensor] = (),
        *,
        beam_size: int,
        input_type: str = "prob",
        search: bool | None = None,
        length_normalization: bool | None = None,
        length_normalization_exponent: float = 1.0,
        keep_beams: bool = False,
        source_beam_sizes: Any = None,
        scheduled_sampling: Any = False,
        prob_scale: float = 1.0,
        base_beam_score_scale: float = 1.0,
        random_sample_scale: float = 0.0,
        add_to_beam_scores: Any = None,
        explicit_search_source: Any = None,
        explicit_search_sources: Any = None,
        custom_score_combine: Any = None,
    ) -> Output:
        if input_type not in ("prob", "log_prob"):
            raise self.error("input_type", input_type, "'prob' or 'log_prob' is needed")
        if not (self.run.flags.search and search is not False):
            self.unsupported("labels are the target's, or those of a search", scheduled_sampling=scheduled_sampling)
            return Output(self._target())
        self.unsupported(
            "search takes the most probable label so far",
            random_sample_scale=random_sample_scale or None,
            explicit_search_source=explicit_search_source,
            explicit_search_sources=explicit_search_sources,
            custom_score_combine=custom_score_combine,
        )
        if beam_size != 1:
            raise self.error("beam_size", beam_size, "search keeps one hypothesis so far", ["'beam_size': 1"])
        source = self.source()
        axis = source.feature_axis
        if axis is None:
            raise self.error("from", self.node.get("from"), f"{source!r} has no feature dim")
        scores = source.data if input_type == "log_prob" else jnp.log(source.data)
        best = jnp.argmax(scores, axis).astype(jnp.int32)
        rest = [i for i in range(source.ndim) if i != axis]
        labels = Tensor(best, tuple(source.dims[i] for i in rest), source.feature_dim)
        return Output(labels, choices=labels.like(jnp.max(scores, axis), sparse_dim=None))

    def _target(self) -> Tensor:
        targets = self.node.refs.get("target")
        if not targets or targets[0] is None:
            raise self.error("target", self.node.get("target"), "without search, the labels of a target are needed")
        return self.run.outputs[targets[0]].tensor


@layer("decide")
class Decide(Layer):
    """The best hypothesis: of one, that one."""

    def forward(
        self, source: Tensor, *, length_normalization: bool = False, search: Any = None, add_to_beam_scores: Any = None
    ) -> Tensor:
        return source
