"""What layers over a time axis need to do one step of it at a time, in a loop: what they keep from the step before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenure.network.dims import Dim, single_step_dim
from tenure.network.tensor import Tensor

if TYPE_CHECKING:
    from tenure.network.layer import Layer


def over_steps(layer: Layer, x: Tensor, axis: Any) -> bool:
    """Whether an axis that an option describes is the loop's own time, of which `x` is one frame."""
    if not layer.run.single_step:
        return False
    if isinstance(axis, Dim):
        return axis is single_step_dim or (axis in (layer.run.loop_time, layer.run.loop_dim) and not x.has(axis))
    return axis in ("T", "time", None) and x.time_axis is None


def kept(layer: Layer, name: str) -> Tensor | None:
    """What the layer kept from the step before; None in the first step."""
    found: Tensor | None = layer.run.states.get(layer.node.key, {}).get(name)
    return found
