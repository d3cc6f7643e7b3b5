"""Losses that need more than a network's output and its target: a search's hypotheses, or a program elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from tenure.network.losses.base import Loss, LossError, View


def _scores(view: View, name: str) -> jax.Array:
    """The scores of a search's hypotheses [B, beam].

    Raises:
      LossError: no search gave the output.
    """
    found = view.whole.choices
    if found is None:
        raise LossError(
            f"'{name}' is about the hypotheses of a search, and nothing was searched for this output",
            ways=["run with search=True", "'only_on_search': True"],
        )
    scores = found.data
    return scores.reshape(-1, view.output.beam or 1)


@dataclasses.dataclass(frozen=True)
class SearchScore(Loss):
    """Minus the scores of a search's hypotheses."""

    needs_target: ClassVar[bool] = False
    aligned: ClassVar[bool] = False

    def value(self, view: View) -> jax.Array:
        """The sum over all hypotheses."""
        return -jnp.sum(_scores(view, "search_score"))

    def error(self, view: View) -> None:
        """None."""


@dataclasses.dataclass(frozen=True)
class Expected(Loss):
    """The expected value of another loss over a search's hypotheses: minimum Bayes risk.

    Attributes:
      loss: the other loss: {"class": …, options}.
      loss_kind: "value" or "error" of it.
      norm_scores: whether the hypotheses' probabilities are made to sum to one.
      norm_scores_stop_gradient: whether the normaliser is constant for gradients.
      divide_beam_size: whether the sum over hypotheses is divided by their number.
      subtract_average_loss: take the mean over the beam away, for gradients of less variance.
      loss_correction_grad_only: let that not change the value.
    """

    loss: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    loss_kind: str = "value"
    norm_scores: bool = True
    norm_scores_stop_gradient: bool = True
    divide_beam_size: bool = True
    subtract_average_loss: bool = True
    loss_correction_grad_only: bool = False

    aligned: ClassVar[bool] = False

    def value(self, view: View) -> jax.Array:
        """The sum over sequences."""
        _scores(view, "expected_loss")
        raise LossError(
            "'expected_loss' weighs hypotheses of a beam, and search keeps one hypothesis so far",
            ways=["train with 'ce'", "'only_on_search': True"],
        )

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
