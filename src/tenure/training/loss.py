"""What a model of a config's own gives as its loss."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Loss:
    """A loss of a batch. Training minimises `scale * sum / count`; scores of an epoch are its sums over the sums of counts.

    Attributes:
      sum: over frames, labels or sequences, whatever is counted.
      count: of them; those beyond a sequence's length, and rows that are not in `batch["row_mask"]`, must count in neither.
      error: likewise a sum, of what is reported beside it, such as wrong labels.
      scale: its weight in what is minimised; 0: it is only reported.

    >>> Loss(6.0, 3).mean
    2.0
    """

    sum: Any
    count: Any
    error: Any = None
    scale: float = dataclasses.field(default=1.0, metadata={"static": True})

    @property
    def mean(self) -> Any:
        """The sum by the count."""
        return self.sum / self.count
