"""What a loss asks of the layer that has it."""

from __future__ import annotations

from typing import Any

from tenure.network.dims import Dim


def output_dim(loss: Any, target: Dim) -> Dim:
    """The dim of the output that a loss asks for: one more than the target's for CTC."""
    return target + 1 if loss == "ctc" else target
