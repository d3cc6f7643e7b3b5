"""Rows of the edit distance's table while one of the two sequences is still being made.

Sabour et al. 2019, "Optimal Completion Distillation", https://arxiv.org/abs/1810.01398, which trains on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tenure.network.dims import FEATURE, Dim
from tenure.network.errors import option_error
from tenure.network.graph import Flags, Node
from tenure.network.layer import Layer, layer
from tenure.network.layers.dims_of import same
from tenure.network.losses.base import lengths_of
from tenure.network.losses.edit_distance import next_row
from tenure.network.output import Output
from tenure.network.run import Run
from tenure.network.tensor import Tensor

_ENDED = ":ended"


class _OfHypotheses(Layer):
    """A layer whose sequences may be hypotheses of a search: what follows the end of one edits nothing, as in RETURNN.

    Losses count such frames where a hypothesis has ended in a step that the final one of its place goes through.
    """

    def inputs_of_search(self) -> dict[str, Output]:
        return {} if self.run.search is None else {_ENDED: Output(self.run.search.ended)}

    def advance(self, row: jax.Array, labels: jax.Array, reference: Tensor, blank: int | None) -> jax.Array:
        """The row [B, N + 1] after one more label for each sequence; that of before where the sequence has ended."""
        ended = self.run.outputs.get(_ENDED)
        new = next_row(row, labels, reference.data)
        stays = jnp.zeros(labels.shape, bool) if ended is None else ended.tensor.data
        stays = stays if blank is None else stays | (labels == blank)
        return _repeat_last(jnp.where(stays[:, None], row, new), lengths_of(reference))


def _reference(node: Node, run: Run) -> Tensor:
    """The target [B, N].

    Raises:
      OptionError: it is no batch of sequences of labels.
    """
    key = (node.refs.get("target") or [None])[0]
    found = None if key is None else run.outputs[key].tensor
    if found is None or not found.sparse or found.ndim != 2 or found.time_axis is None or found.batch_axis is None:
        why = f"sequences of labels are needed, not {found!r}"
        raise option_error(node.key, node.class_name, "target", node.get("target"), why)
    return found.batch_first()


def _repeat_last(rows: jax.Array, lengths: jax.Array) -> jax.Array:
    """Rows [B, N + 1] where what is beyond the end of the reference repeats the entry at its end."""
    places = jnp.arange(rows.shape[1])
    return jnp.take_along_axis(rows, jnp.minimum(places, lengths[:, None]), axis=1)


@layer("edit_distance_table")
class EditDistanceTable(_OfHypotheses):
    """For each label of the input, the edits between all up to it and each prefix of the target: [B, N + 1].

    In a loop it takes one label a step, and outside of loops a whole sequence. `blank_idx` is a label that edits nothing.

    Input [B, M] of labels, target [B, N], output [B, M, N + 1]; in a loop [B] and [B, N + 1].
    Source: Levenshtein 1966; Sabour et al. 2018, https://arxiv.org/abs/1810.01398.
    """

    stepwise = True

    @classmethod
    def first_output(cls, run: Run, node: Node) -> Tensor:
        """The row before the first label: all of the prefix has to be inserted."""
        reference = _reference(node, run)
        assert reference.time_dim is not None
        row = jnp.arange(reference.shape[1] + 1, dtype=jnp.int32)
        rows = jnp.broadcast_to(row, (reference.shape[0], row.shape[0]))
        dim = same(reference.time_dim + 1, node.get("out_dim"))
        return Tensor(_repeat_last(rows, lengths_of(reference)), (reference.dims[0], dim), feature_axis=1)

    def first_state(self, form: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {"row": self.first_output(self.run, self.node)}

    def forward(
        self,
        sources: Sequence[Tensor],
        *,
        axis: Any = None,
        blank_idx: int | None = None,
        out_dim: Dim | None = None,
        debug: bool = False,
    ) -> Output:
        (x,) = sources
        reference = _reference(self.node, self.run)
        x = x.batch_first()
        if not x.sparse or x.batch_axis is None or x.ndim > 2:
            raise self.error("from", self.node.get("from"), f"labels [batch] or [batch, time] are needed, not {x!r}")
        first = self.first_output(self.run, self.node)
        dim = first.dims[1]
        before = self.run.states.get(self.node.key)
        row = first.data if before is None else before["row"].data
        if x.ndim == 1:
            found = Tensor(self.advance(row, x.data, reference, blank_idx), (x.dims[0], dim), feature_axis=1)
            return Output(found, state={"row": found})
        last, rows = jax.lax.scan(lambda r, a: (self.advance(r, a, reference, blank_idx),) * 2, row, x.data.T)
        found = Tensor(last, (x.dims[0], dim), feature_axis=1)
        return Output(Tensor(jnp.swapaxes(rows, 0, 1), (*x.dims, dim), None, 1, 2), state={"row": found})


@layer("optimal_completions")
class OptimalCompletions(_OfHypotheses):
    """For each label that may come next, the edits that the best completion after it leaves: [B, labels].

    The input is a row of `edit_distance_table`, usually of the step before: `prev:table`.

    Input [B, N + 1], output [B, labels].
    Source: Sabour et al. 2018, "Optimal completion distillation", https://arxiv.org/abs/1810.01398.
    """

    @classmethod
    def moves_out(cls, node: Node, flags: Flags) -> bool:
        return not flags.search  # only the steps of a search know which hypotheses have ended

    def forward(self, sources: Sequence[Tensor], *, blank_idx: int | None = None, debug: bool = False) -> Tensor:
        (x,) = sources
        reference = _reference(self.node, self.run)
        x = x.batch_first()
        if x.ndim != 2 or x.batch_axis is None or x.shape[1] != reference.shape[1] + 1:
            raise self.error("from", self.node.get("from"), f"a row of 'edit_distance_table' is needed, not {x!r}")
        assert reference.sparse_dim is not None
        classes = reference.sparse_dim.root.size or 0
        size = classes if blank_idx is None else max(classes, blank_idx + 1)

        def best(label: jax.Array) -> jax.Array:
            labels = jnp.broadcast_to(label, (x.shape[0],))
            return jnp.min(self.advance(x.data, labels, reference, blank_idx), axis=1)

        found = jax.vmap(best, out_axes=1)(jnp.arange(size, dtype=jnp.int32))
        return Tensor(found, (x.dims[0], self.new_dim("labels", size, FEATURE)))
