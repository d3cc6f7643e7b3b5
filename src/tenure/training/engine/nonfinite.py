"""What is said of a loss that is no number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tenure.training.batching.arrays import Padded
from tenure.training.errors import TrainingError


def nonfinite(epoch: int, step: int, loss: Any, batch: Padded, parameters: Sequence[str]) -> TrainingError:
    """The error that ends a training.

    Args:
      epoch, step: where.
      loss: what it is.
      batch: that was trained on.
      parameters: those that are no numbers.
    """
    return TrainingError(
        f"epoch {epoch}, step {step}: the loss is {loss}",
        ways=[
            f"sequences of the batch: {', '.join(batch.names.values())}",
            f"their lengths: { {k: v.tolist() for k, v in batch.lengths.items()} }",
            f"sequences with values that are no numbers: {', '.join(_not_numbers(batch)) or 'none'}",
            f"parameters that are no numbers: {', '.join(parameters) or 'none'}",
            "a lower learning rate, or gradient_clip_global_norm",
        ],
    )


def _not_numbers(batch: Padded) -> list[str]:
    """Sequences of a batch whose data are not finite, with the stream."""
    wrong = {key: ~np.isfinite(x) for key, x in batch.arrays.items() if x.dtype.kind == "f"}
    return [f"{tag!r} ({key!r})" for key, marks in wrong.items() for tag in batch.sequences_with(key, marks)]
