"""Terms of the objective that depend on parameters alone: L2."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from tenure.core import values
from tenure.core.frame import current_frame

if TYPE_CHECKING:
    from tenure.network.run import ParamUse, Run


@dataclasses.dataclass(frozen=True)
class Decay:
    """One layer's wish that a parameter be small.

    Attributes:
      scale: of the sum of squares.
      use: the parameter.
    """

    scale: float
    use: ParamUse


def total(run: Run) -> Any:
    """The sum of all terms.

    A parameter counts once, however many layers use it: with its owner's scale, or the largest of its users' if the owner
    has none. In "legacy" each layer counts what RETURNN takes for its own.
    """
    result: Any = jnp.zeros(())
    for term in run.constraints:
        if not isinstance(term, Decay):
            result = result + term
    decays = [t for t in run.constraints if isinstance(t, Decay)]
    frame = current_frame("network")
    if frame.planning:
        return result + sum(t.scale * jnp.sum(jnp.square(t.use.value)) for t in decays)
    if run.network.reuse == "legacy":
        own = [t for t in decays if _kind(t.use.path) == "owned" or "&" in t.use.path]
        return result + sum(t.scale * jnp.sum(jnp.square(t.use.value)) for t in own)
    scales: dict[str, float] = {}
    owned: set[str] = set()
    for decay in decays:
        mine = _kind(decay.use.path) == "owned"
        for owner in [decay.use.path] if mine else frame.plan.ledger.owners_of(decay.use.path):
            if mine:
                owned.add(owner)
                scales[owner] = decay.scale
            elif owner not in owned:
                scales[owner] = max(decay.scale, scales.get(owner, 0.0))
    return result + sum(scale * jnp.sum(jnp.square(values.owned_value(frame, path))) for path, scale in scales.items())


def _kind(path: str) -> str:
    """Whether a slot is owned, as far as the run has to know: nothing is planned for a model that shares nothing."""
    frame = current_frame("network")
    sources = frame.sources
    if not (sources.ties or sources.shares or sources.wildcards or sources.tie_wildcards):
        return "owned"
    return frame.planned("slots", path).kind
