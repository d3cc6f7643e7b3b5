"""Losses that need more than a network's output and its target: a search's hypotheses, or a program elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from tenure.core.errors import brief
from tenure.network.dims import batch_dim
from tenure.network.lanes import over_lanes
from tenure.network.losses.align import view as see
from tenure.network.losses.base import Loss, LossError, View
from tenure.network.output import Output, map_tensors
from tenure.network.tensor import Tensor


def _scores(view: View, name: str) -> jax.Array:
    """The scores of a search's hypotheses [beam, B].

    Raises:
      LossError: no search gave the output.
    """
    dim = view.output.beam_dim
    if dim is None:
        raise LossError(
            f"'{name}' is about the hypotheses of a search, and nothing was searched for this output",
            ways=["run with search=True", "'only_on_search': True", "take the output of 'extra.search:…'"],
        )
    found: jax.Array = view.layer.run.beams.get(dim).scores
    return found


def _decided(view: View) -> jax.Array | None:
    """The scores [B] of the best hypotheses, of which the output is made by a `decide`; None if there is none."""
    run, todo = view.layer.run, [view.layer.node.key]
    for key in todo:  # the list grows
        node, out = run.graph.nodes.get(key), view.whole if key == view.layer.node.key else run.outputs.get(key)
        if node is not None and node.class_name == "decide" and out is not None and out.extra is not None:
            scores: jax.Array = out.extra.data
            return scores
        todo += [] if node is None else [k for k in node.sources if k not in todo]
    return None


@dataclasses.dataclass(frozen=True)
class SearchScore(Loss):
    """Minus the scores of a search's hypotheses, or of the best one, after a `decide`."""

    needs_target: ClassVar[bool] = False
    of_beams: ClassVar[bool] = True
    aligned: ClassVar[bool] = False

    def value(self, view: View) -> jax.Array:
        """The sum over all hypotheses."""
        best = _decided(view) if view.output.beam_dim is None else None
        scores = jnp.sum(_scores(view, "search_score"), axis=0) if best is None else best
        return -view.over_sequences(scores)

    def error(self, view: View) -> None:
        """None."""


@dataclasses.dataclass(frozen=True)
class Expected(Loss):
    """The expected value of another loss over a search's hypotheses: minimum Bayes risk.

    Attributes:
      loss: the other loss; in dictionaries {"class": …, options}.
      loss_kind: "value" or "error" of it.
      norm_scores: whether the hypotheses' probabilities are made to sum to one.
      norm_scores_stop_gradient: whether the normaliser is constant for gradients.
      divide_beam_size: whether the sum over hypotheses is divided by their number.
      subtract_average_loss: take the mean over the beam away, for gradients of less variance.
      loss_correction_grad_only: let that not change the value.
    """

    loss: Any = None
    loss_kind: str = "value"
    norm_scores: bool = True
    norm_scores_stop_gradient: bool = True
    divide_beam_size: bool = True
    subtract_average_loss: bool = True
    loss_correction_grad_only: bool = False

    of_beams: ClassVar[bool] = True
    aligned: ClassVar[bool] = False

    def value(self, view: View) -> jax.Array:
        """The sum over sequences."""
        scores = _scores(view, "expected_loss")
        losses = self._losses(view)
        shift = jax.nn.logsumexp(scores, axis=0, keepdims=True)
        shift = jax.lax.stop_gradient(shift) if self.norm_scores_stop_gradient else shift
        weights = jnp.exp(scores - shift) if self.norm_scores else jnp.exp(scores)
        corrected = losses
        if self.subtract_average_loss:
            corrected = losses - jax.lax.stop_gradient(jnp.mean(losses, axis=0, keepdims=True))
        total = view.over_sequences(jnp.sum(corrected * weights, axis=0))
        if self.loss_correction_grad_only:
            correction = jnp.sum((losses - corrected) * weights, axis=0)
            total = total + jax.lax.stop_gradient(view.over_sequences(correction))
        return total / scores.shape[0] if self.divide_beam_size else total

    def _losses(self, view: View) -> jax.Array:
        """The other loss of each hypothesis of each sequence [beam, B]."""
        if self.loss_kind not in ("value", "error"):
            raise LossError(f"'loss_kind' is {brief(self.loss_kind)}; there are 'value' and 'error'")
        beam, batch, layer = view.output.beam_dim, batch_dim(), view.layer
        assert beam is not None
        inner = self.loss
        if not isinstance(inner, Loss):
            raise LossError(
                "'expected_loss' needs another loss", ways=["'loss_opts': {'loss': {'class': 'edit_distance'}, …}"]
            )

        def one(given: Any, number: Any) -> Output:
            whole, target = map_tensors(lambda x: x.stacked(batch, x.data[None]), given)
            seen = see(layer, whole, target, inner)
            found = inner.value(seen) if self.loss_kind == "value" else inner.error(seen)
            if found is None:
                raise LossError(f"the loss {brief(self.loss)} has no {self.loss_kind}")
            return Output(Tensor(jnp.asarray(found, jnp.float32).reshape(()), ()))

        def each(given: Any, number: Any) -> Output:
            return over_lanes(batch, given, one)

        return over_lanes(beam, (view.whole, view.target), each).tensor.data

    def error(self, view: View) -> None:
        """None."""


@dataclasses.dataclass(frozen=True)
class Sprint(Loss):
    """A loss that a running RASR (Sprint) process computes; refused.

    Attributes:
      sprint_opts: how that process is started.
      tdp_scale: of transition scores.
    """

    sprint_opts: Mapping[str, Any] | None = None
    tdp_scale: float = 1.0

    needs_target: ClassVar[bool] = False
    aligned: ClassVar[bool] = False

    def value(self, view: View) -> jax.Array:
        """Raises."""
        raise LossError(
            "this loss asks a running RASR (Sprint) process for scores and automata, which is not part of this program",
            ways=[
                "CTC's topology needs none:  'loss': 'ctc'",
                "with an alignment:  {'class': 'fast_bw', 'align_target': 'ctc', …} and 'loss': 'via_layer'",
            ],
        )
